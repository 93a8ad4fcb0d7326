"""Which items of a form an expression reads, found from its parts, before it is ever evaluated.

An expression that goes through the response and chooses by linkId (`%resource.descendants()
.where(linkId = 'a').answer.value`) reads `a` and what is within it; one that does not choose
reads everything. Where in doubt it is everything: what is said here may be too much, never too
little, so that what is not recomputed cannot have changed.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from citycare.kernel.fhir.path import Path
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

ALL: Final = "%resource"  # a way through the whole response that has not been narrowed yet
OWN: Final = "%context"  # through the item itself and what is within it
CHOSEN: Final = "="  # and a linkId: through that item; it may still be narrowed to one within
Ways = frozenset[str]
NOWHERE: Final[Ways] = frozenset()

STEPS: Final = frozenset(("item", "answer"))
WALKS: Final = frozenset(("descendants", "children", "repeat", "repeatAll"))
JOINED: Final = frozenset(("union", "combine"))
LAMBDAS: Final = frozenset(("exists", "all", "select"))  # `$this` is each item
FOLDS: Final = frozenset(("aggregate", "trace"))  # of one argument it is, of the other it is not
CLOCKS: Final = frozenset(("now", "today", "timeOfDay"))


@dataclass(slots=True)
class Reads:
    """What an expression reads.

    Attributes:
        links: linkIds it chooses.
        variables: names it uses.
        everything: it goes through the response without choosing.
        own: it reads the item it belongs to, or what is within that.
    """

    links: set[str] = field(default_factory=set)
    variables: set[str] = field(default_factory=set)
    everything: bool = False
    own: bool = False

    def settle(self, ways: Ways) -> None:
        """Count ways that will not be narrowed any more."""
        self.links |= {way[1:] for way in ways if way[0] == CHOSEN}
        self.everything = self.everything or ALL in ways
        self.own = self.own or OWN in ways


def reads(*paths: Path) -> Reads:
    """Return what these expressions read, together."""
    found = Reads()
    for path in paths:
        found.settle(_ways(path.ast, frozenset((OWN,)), found))
    return found


def _ways(ast: Ast, this: Ways, found: Reads) -> Ways:  # noqa: PLR0911 - one way for each kind of part
    """Return the ways an expression's result is on; note what is read for good."""
    match ast:
        case Const():
            return NOWHERE
        case Special(name=name):
            return this if name == "$this" else NOWHERE
        case Variable(name=name):
            return _variable(name, found)
        case Member(target=target, name=name):
            return _member(target, name, this, found)
        case Call():
            return _call(ast, this, found)
        case Binary(operator="|", left=left, right=right):
            return _ways(left, this, found) | _ways(right, this, found)
        case Binary(left=left, right=right) | Index(target=left, at=right):
            found.settle(_ways(left, this, found) | _ways(right, this, found))
        case Unary(right=inner) | OfType(left=inner):
            found.settle(_ways(inner, this, found))
    return NOWHERE


def _variable(name: str, found: Reads) -> Ways:
    if name in ("resource", "rootResource"):
        return frozenset((ALL,))
    if name == "context":
        return frozenset((OWN,))
    found.variables.add(name)
    return NOWHERE


def _member(target: Ast | None, name: str, this: Ways, found: Reads) -> Ways:
    ways = this if target is None else _ways(target, this, found)
    if name in STEPS or not ways:
        return ways
    match target:
        case Variable("resource" | "rootResource") if name != "contained":
            return NOWHERE  # subject, authored …: answering does not change them
    found.settle(ways)
    return NOWHERE


def _call(ast: Call, this: Ways, found: Reads) -> Ways:  # noqa: PLR0911 - as above
    if ast.name in CLOCKS:
        return NOWHERE
    ways = this if ast.target is None else _ways(ast.target, this, found)
    if ast.name == "where":
        return _where(ast.args[0], ways, found)
    if ast.name in WALKS:
        for arg in ast.args:
            ways |= _ways(arg, ways, found)
        return ways
    if ast.name in JOINED:
        for arg in ast.args:
            ways |= _ways(arg, this, found)
        return ways
    if ast.name == "select" and isinstance(ast.target, Variable):
        return _ways(ast.args[0], ways, found)  # of one thing, so their number tells nothing
    if ast.name == "iif":
        criterion, *branches = ast.args
        found.settle(_ways(criterion, ways, found))
        return frozenset().union(*(_ways(branch, ways, found) for branch in branches))
    found.settle(ways)
    within = ways if ast.name in LAMBDAS else this | ways if ast.name in FOLDS else this
    for arg in ast.args:
        found.settle(_ways(arg, within, found))
    return NOWHERE


def _where(criterion: Ast, ways: Ways, found: Reads) -> Ways:
    """Narrow to the items chosen by linkId; what else is asked of them is within these."""
    links = _chosen(criterion)
    if links is None:
        found.settle(_ways(criterion, ways, found))
        return ways
    narrowed = frozenset(CHOSEN + link for link in links) if ways else NOWHERE
    _ask(criterion, narrowed, found)
    return narrowed


def _ask(criterion: Ast, ways: Ways, found: Reads) -> None:
    """Note what a criterion reads beside the linkId, which never changes."""
    match criterion:
        case Binary("and" | "or", left, right):
            _ask(left, ways, found)
            _ask(right, ways, found)
        case _ if _chosen(criterion) is None:
            found.settle(_ways(criterion, ways, found))


def _chosen(criterion: Ast) -> set[str] | None:
    """Return the linkIds a criterion lets through; None where it may be any."""
    match criterion:
        case Binary("=" | "in", Member(None | Special("$this"), "linkId"), right):
            return _texts(right)
        case Binary("=", left, Member(None | Special("$this"), "linkId")):
            return _texts(left)
        case Binary("and", left, right):
            mine, other = _chosen(left), _chosen(right)
            if mine is None or other is None:
                return other if mine is None else mine
            return mine & other
        case Binary("or", left, right):
            mine, other = _chosen(left), _chosen(right)
            return None if mine is None or other is None else mine | other
    return None


def _texts(ast: Ast) -> set[str] | None:
    match ast:
        case Const((str() as text,)):
            return {text}
        case Const(()):
            return set()
        case Binary("|", left, right):
            mine, other = _texts(left), _texts(right)
            return None if mine is None or other is None else mine | other
    return None
