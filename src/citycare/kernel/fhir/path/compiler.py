"""From the parts of an expression to one function, and its evaluation.

Source: HL7 FHIRPath N1 §3 path selection, §6.3 types, §9 environment variables; FHIR R4 §2.1.9.1.7
(%resource, %rootResource, %context, %sct, %loinc, %ucum, %vs-…, %ext-…).
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from functools import lru_cache
from typing import Any, Final

from citycare.kernel.fhir.path import navigation, operators, quantity, types, values
from citycare.kernel.fhir.path.functions import FUNCTIONS, TYPED
from citycare.kernel.fhir.path.functions.filtering import where_text
from citycare.kernel.fhir.path.model import (
    NO_HOOKS,
    RESULT_MAX,
    Frame,
    Hooks,
    Items,
    Node,
    PathError,
    PathSyntax,
    Run,
    Step,
)
from citycare.kernel.fhir.path.parser import checked_type, parse
from citycare.kernel.fhir.path.syntax import (
    Ast,
    Binary,
    Call,
    Const,
    Index,
    Member,
    OfType,
    Special,
    Unary,
    Variable,
)

ADDRESSES: Final = {
    "ucum": quantity.UCUM,
    "sct": "http://snomed.info/sct",
    "loinc": "http://loinc.org",
}
PREFIXED: Final = {
    "vs-": "http://hl7.org/fhir/ValueSet/",
    "ext-": "http://hl7.org/fhir/StructureDefinition/",
}
NOTHING: Final[Mapping[str, Any]] = {}


class Path:
    """A compiled expression.

    Attributes:
        text: the expression.
        ast: its parts, for who wants to know what it reads.
    """

    __slots__ = ("_step", "ast", "text")

    def __init__(self, text: str) -> None:
        """Compile; use `compiled`, which keeps what it made.

        Raises:
            PathSyntax: it is no expression of FHIRPath, or too long or deep.
        """
        self.text = text
        self.ast = parse(text)
        self._step = _compile(self.ast)

    def __repr__(self) -> str:
        """Show the expression."""
        return f"Path({self.text!r})"

    def items(
        self,
        focus: Any,
        variables: Mapping[str, Any] = NOTHING,
        *,
        now: datetime | None = None,
        resource: Any = None,
        root: Any = None,
        hooks: Hooks = NO_HOOKS,
    ) -> Items:
        """Evaluate; return items as the engine has them (see `evaluate`).

        Raises:
            PathError: it does not work on this data, or makes too much of it.
        """
        try:
            this = values.wrapped(focus)
            own = this if resource is None else values.wrapped(resource)
            outer = own if root is None else values.wrapped(root)
            run = Run(own, outer, this, variables, now, hooks)
            try:
                found = self._step(this, Frame(run, this))
            finally:
                if hooks.spent is not None:
                    hooks.spent(run.steps)
        except RecursionError as error:
            raise PathError(problem="nested too deeply") from error
        if len(found) > RESULT_MAX:
            raise PathError(problem="result too big", limit=RESULT_MAX)
        return found

    def evaluate(
        self,
        focus: Any,
        variables: Mapping[str, Any] = NOTHING,
        *,
        now: datetime | None = None,
        resource: Any = None,
        root: Any = None,
        hooks: Hooks = NO_HOOKS,
    ) -> list[Any]:
        """Evaluate on a resource, an element or a list of them.

        Args:
            focus: `$this` and `%context` at the beginning: JSON as `fhir.loads` gives it, a
                System value, or a list.
            variables: `%name` to JSON, a System value or a list of them; a callable is asked
                when its variable is.
            now: the instant of now() and today(), aware.
            resource: `%resource`, if it is not the focus.
            root: `%rootResource`, if it is not the resource.
            hooks: what resolve(), weight(), memberOf() and trace() ask.

        Returns:
            JSON (objects, texts, numbers as Decimal or int) of what is in the data; str, bool,
            int, Decimal, Temporal, Quantity of what was made.

        Raises:
            PathError: it does not work on this data, or makes too much of it.
        """
        found = self.items(focus, variables, now=now, resource=resource, root=root, hooks=hooks)
        bare = [item.value if isinstance(item, Node) else item for item in found]
        return [item for item in bare if item is not None]


@lru_cache(maxsize=4_096)
def compiled(text: str) -> Path:
    """Return the compiled expression, made once.

    Raises:
        PathSyntax: it is no expression of FHIRPath, or too long or deep.
    """
    return Path(text)


def _compile(ast: Ast) -> Step:  # noqa: C901, PLR0911 - one line for each kind of part
    match ast:
        case Const(values=given):
            constant = list(given)
            return lambda _items, _frame: constant
        case Special(name=name):
            return SPECIALS[name]
        case Variable(name=name):
            return _variable(name)
        case Member(target=target, name=name):
            if target is None:
                return navigation.rooted(name)
            return _then(_compile(target), navigation.member(name))
        case Call():
            return _call(ast)
        case Index(target=target, at=at):
            return _indexed(_compile(target), _compile(at))
        case Unary(operator=name, right=right):
            return operators.signed(name, _compile(right))
        case Binary(operator=name, left=left, right=right):
            return operators.combined(name, _compile(left), _compile(right))
        case OfType(operator=name, left=left, namespace=namespace, name=kind):
            return _then(_compile(left), _typed(name, namespace, kind))


def _then(first: Step, second: Step) -> Step:
    return lambda items, frame: second(first(items, frame), frame)


def _this(_: Items, frame: Frame) -> Items:
    return frame.this


def _index(_: Items, frame: Frame) -> Items:
    return [] if frame.index is None else [frame.index]


def _total(_: Items, frame: Frame) -> Items:
    return [] if frame.total is None else list(frame.total)


SPECIALS: Final[dict[str, Step]] = {"$this": _this, "$index": _index, "$total": _total}


def _variable(name: str) -> Step:
    if name in ADDRESSES:
        address = [ADDRESSES[name]]
        return lambda _items, _frame: address
    for prefix, before in PREFIXED.items():
        if name.startswith(prefix):
            whole = [before + name[len(prefix) :]]
            return lambda _items, _frame: whole
    if name == "resource":
        return lambda _items, frame: frame.run.resource
    if name == "rootResource":
        return lambda _items, frame: frame.run.root
    return lambda _items, frame: _given(name, frame.run)


def _given(name: str, run: Run) -> Items:
    if name not in run.variables:
        if name == "context":
            return run.context
        raise PathError(problem="no such variable", variable=name)
    value = run.variables[name]
    found = value() if callable(value) else value
    items = found if isinstance(found, list) else values.wrapped(found)
    if any(isinstance(item, dict | float | list) for item in items):
        items = values.wrapped(items)
    run.spend(len(items))
    return items


def _indexed(target: Step, at: Step) -> Step:
    def step(items: Items, frame: Frame) -> Items:
        number = values.integer_of(at(items, frame), "[]")
        found = target(items, frame)
        if number is None or not 0 <= number < len(found):
            return []
        return [found[number]]

    return step


def _call(ast: Call) -> Step:
    target = None if ast.target is None else _compile(ast.target)
    is_typed = ast.name in TYPED
    step = _typed(ast.name, *_type_argument(ast)) if is_typed else _function(ast)
    return step if target is None else _then(target, step)


def _function(ast: Call) -> Step:
    function = FUNCTIONS.get(ast.name)
    if function is None:
        raise PathSyntax(problem="no such function", near=ast.name)
    if not function.least <= len(ast.args) <= function.most:
        raise PathSyntax(problem="wrong number of arguments", near=ast.name, given=len(ast.args))
    args = tuple(_compile(arg) for arg in ast.args)
    if ast.name == "where":
        match ast.args[0]:
            case Binary("=", Member(None, name), Const((str() as text,))) if types.TEXTS.get(
                name
            ) not in {*types.TEMPORAL, "temporal"}:
                return where_text(name, text, args[0])
    return function.build(args)


def _type_argument(ast: Call) -> tuple[str, str]:
    match ast.args:
        case (Member(None, name),):
            return checked_type("", name)
        case (Member(Member(None, "FHIR" | "System" as namespace), name),):
            return checked_type(namespace, name)
        case (Const((str() as name,)),):
            return checked_type("", name.rpartition(".")[2])
    raise PathSyntax(problem="needs a type", near=ast.name)


def _typed(name: str, namespace: str, kind: str) -> Step:
    def of_type(items: Items, _: Frame) -> Items:
        return [item for item in items if types.is_a(item, namespace, kind)]

    def is_type(items: Items, _: Frame) -> Items:
        item = values.single(items)
        return [] if item is None else [types.is_a(item, namespace, kind)]

    def as_type(items: Items, frame: Frame) -> Items:
        values.single(items)
        return of_type(items, frame)

    return {"is": is_type, "as": as_type, "ofType": of_type}[name]
