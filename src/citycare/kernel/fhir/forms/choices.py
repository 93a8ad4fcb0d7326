"""What a question offers: answerOption, value sets in the questionnaire, codings handed in.

Source: HL7 FHIR R4 §2.4.3 (answerOption, answerValueSet), §4.9 ValueSet (compose, expansion);
ordinalValue, questionnaire-optionExclusive, questionnaire-optionPrefix.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final

from citycare.kernel.fhir.forms import answers, extensions
from citycare.kernel.fhir.forms.model import OPTIONS_MAX, Answer, Choice, FormBroken, Json
from citycare.kernel.fhir.forms.words import problem

NESTED_MAX = 5  # value sets that include value sets


class Options:
    """Choices, and which of them an answer is.

    Attributes:
        choices: in the order they are offered.
        kinds: types of their answers.
    """

    __slots__ = ("_by_code", "_by_key", "choices", "has_weights", "kinds")

    def __init__(self, choices: Sequence[Choice]) -> None:
        """Index the choices.

        Raises:
            FormBroken: there are too many.
        """
        if len(choices) > OPTIONS_MAX:
            raise FormBroken(problem("form_options", limit=OPTIONS_MAX))
        self.choices = tuple(choices)
        self.kinds: tuple[str, ...] = ()
        self._by_key: dict[Any, Choice] = {}
        self._by_code: dict[str, list[Choice]] = {}
        self.has_weights = False
        for choice in self.choices:
            found = answers.kind_of(choice.answer)
            if found is None:
                continue
            kind, value = found
            if kind not in self.kinds:
                self.kinds += (kind,)
            self._by_key.setdefault(answers.key(kind, value), choice)
            if kind == "Coding":
                self._by_code.setdefault(str(value.get("code")), []).append(choice)
            self.has_weights = self.has_weights or choice.weight is not None

    def find(self, answer: Answer) -> Choice | None:
        """Return the choice an answer is; a Coding without system is any of its code."""
        found = answers.kind_of(answer)
        if found is None:
            return None
        choice = self._by_key.get(answers.key(*found))
        if choice is None and found[0] == "Coding" and isinstance(found[1], dict):
            code = found[1].get("code")
            same = self.choices if code is None else self._by_code.get(str(code), ())
            for each in same:
                other = answers.kind_of(each.answer)
                if other is not None and answers.same(found, other):
                    return each
        return choice

    def coded(self, code: str) -> Choice | None:
        """Return the choice of a code, if only one has it."""
        found = self._by_code.get(code, [])
        return found[0] if len(found) == 1 else None


def of_options(given: Iterable[Any]) -> Options:
    """Return the choices of `answerOption`."""
    return Options([_choice(each) for each in given if isinstance(each, dict)])


def _choice(option: Json) -> Choice:
    found = answers.kind_of(option)
    if found is None or not answers.is_of(*found):
        raise FormBroken(problem("form_option"))
    kind, value = found
    more = extensions.extensions(option)
    weight = extensions.weight(option) if more else None
    prefix = extensions.text(more, extensions.OPTION_PREFIX) if more else ""
    if isinstance(value, dict) and "extension" in value:
        weight = extensions.weight(value) if weight is None else weight
        prefix = prefix or extensions.text(extensions.extensions(value), extensions.OPTION_PREFIX)
    return Choice(
        {f"value{kind}": value},
        answers.shown(kind, value),
        prefix,
        weight,
        exclusive=extensions.flag(more, extensions.EXCLUSIVE),
        initial=option.get("initialSelected") is True,
    )


def of_codings(codings: Iterable[Any]) -> Options:
    """Return the choices of a value set, given as Codings."""
    return Options(
        [
            Choice(
                {"valueCoding": each},
                answers.shown("Coding", each),
                weight=extensions.weight(each) if "extension" in each else None,
            )
            for each in codings
            if isinstance(each, dict)
        ]
    )


class Contained:
    """The value sets and code systems inside a questionnaire."""

    __slots__ = ("_resources",)

    def __init__(self, questionnaire: Json) -> None:
        """Look at what is contained."""
        inside = questionnaire.get("contained")
        self._resources: list[Json] = (
            [each for each in inside if isinstance(each, dict)] if isinstance(inside, list) else []
        )

    def expand(self, canonical: str, depth: int = 0) -> list[Json] | None:
        """Return the Codings of a value set by `#id` or its url; None where it is not inside.

        None as well where it takes in a code system that is not.
        """
        found = self._find("ValueSet", canonical)
        if found is None or depth > NESTED_MAX:
            return None
        expansion = found.get("expansion")
        if isinstance(expansion, dict) and "contains" in expansion:
            return list(_codings(expansion["contains"], None))
        compose = found.get("compose")
        if not isinstance(compose, dict):
            return None
        codings: list[Json] = []
        for include in compose.get("include", ()):
            part = self._included(include, depth)
            if part is None:
                return None
            codings += part
        out = [
            answers.key("Coding", coding)
            for exclude in compose.get("exclude", ())
            for coding in self._included(exclude, depth) or ()
        ]
        return [coding for coding in codings if answers.key("Coding", coding) not in out]

    def _included(self, include: Any, depth: int) -> list[Json] | None:
        if not isinstance(include, dict) or "filter" in include:
            return None
        system = include.get("system")
        if "concept" in include:
            return list(_codings(include["concept"], system))
        if "valueSet" in include:
            parts = [self.expand(str(each), depth + 1) for each in include["valueSet"]]
            if any(part is None for part in parts):
                return None
            return [coding for part in parts for coding in part or ()]
        source = self._find("CodeSystem", str(system))
        return None if source is None else list(_codings(source.get("concept", ()), system))

    def _find(self, kind: str, canonical: str) -> Json | None:
        url = canonical.partition("|")[0]
        for each in self._resources:
            named = each.get("id") == url[1:] if url[:1] == "#" else each.get("url") == url
            if each.get("resourceType") == kind and named:
                return each
        return None


CODING: Final = ("system", "version", "code", "display", "extension")


def _codings(concepts: Any, system: Any) -> Iterator[Json]:
    """Yield concepts and those below them as Codings; abstract ones only stand above others."""
    for concept in concepts if isinstance(concepts, list) else ():
        if not isinstance(concept, dict):
            continue
        if "code" in concept and concept.get("abstract") is not True:
            coding = {name: concept[name] for name in CODING if name in concept}
            yield {"system": system} | coding if isinstance(system, str) else coding
        yield from _codings(concept.get("contains", concept.get("concept")), system)


def of_value_set(codings: Iterable[Any]) -> Options | None:
    """Return the choices of a value set that was handed in; None of one that is too big to show."""
    try:
        return of_codings(codings)
    except FormBroken:
        return None


def of_answers(given: Iterable[Answer]) -> Options:
    """Return the choices of answers an expression found."""
    found = ((answer, answers.kind_of(answer)) for answer in given)
    return Options(
        [
            Choice(
                answer,
                answers.shown(*kind),
                weight=extensions.weight(kind[1]) if isinstance(kind[1], dict) else None,
            )
            for answer, kind in found
            if kind is not None
        ]
    )
