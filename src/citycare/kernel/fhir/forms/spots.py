"""A form being filled in: each item at each place where it stands, with its answers.

A spot is one item in one repetition. The response is read into spots, whatever is in it, and kept
as JSON alongside (`Spot.json`, `Tree.document`), always as it would be sent: without what is not
asked for and without what is not answered. Expressions are evaluated on that JSON.
Source: HL7 FHIR R4 §2.4.4 QuestionnaireResponse (items within an answer; repeating groups).
"""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any, Final

from citycare.kernel.fhir.forms import answers
from citycare.kernel.fhir.forms.form import Form, Item
from citycare.kernel.fhir.forms.model import (
    ANSWERS_MAX,
    DIGITS_MAX,
    JSON_DEPTH_MAX,
    REPEATS_MAX,
    SPOTS_MAX,
    Answer,
    Json,
    Problem,
    ResponseTooLong,
)
from citycare.kernel.fhir.forms.words import problem

WILD: Final[int] = 10**DIGITS_MAX


class Spot:
    """One item at one place.

    Attributes:
        above: the spot it stands in, or None at the top.
        branch: within which answer of that (0 for a group).
        number: which repetition of a group.
        given: answers as they were given.
        computed: answers the form calculated, or None where it has not.
        branches: for a group one list of spots, for a question with items within one for each
            answer, and one where there is none yet.
        enabled: by its own conditions.
        on: enabled, and all above it.
        json: its item of the response; `live` where it is part of it.
        variables: by name, what the form's expressions found.
        offered: what an answer expression found, or None.
        faults: codes of expressions that failed here.
    """

    __slots__ = (
        *("above", "branch", "branches", "computed", "enabled", "faults", "given", "item"),
        *("json", "live", "number", "offered", "on", "variables"),
    )

    def __init__(self, item: Item, above: Spot | None, branch: int = 0, number: int = 0) -> None:
        """Make a spot without answers."""
        self.item = item
        self.above = above
        self.branch = branch
        self.number = number
        self.given: list[Answer] = []
        self.computed: list[Answer] | None = None
        self.branches: list[list[Spot]] = []
        self.enabled = True
        self.on = True
        self.live = False
        self.json: Json = {"linkId": item.link_id}
        self.variables: dict[str, Any] = {}
        self.offered: Any = None
        self.faults: dict[str, str] = {}

    def __repr__(self) -> str:
        """Show the place and the answers."""
        return f"Spot({self.path()}: {self.answers!r:.80})"

    @property
    def answers(self) -> list[Answer]:
        """The answers that count: of what the form calculates those calculated."""
        if self.item.is_computed:
            return self.computed or []
        if self.computed is None or self.given:
            return self.given
        return self.computed

    @property
    def is_asked(self) -> bool:
        """Whether something here can be missing: not in a repetition or answer that is empty."""
        here, above = self, self.above
        while above is not None:
            if above.item.is_question and here.branch >= len(above.answers):
                return False
            is_empty = above.item.is_group and above.item.repeats and not above.live
            if is_empty and (above.number or not above.item.required):
                return False
            here, above = above, above.above
        return True

    def path(self) -> str:
        """Return the name of the place (see `model.Shown.path`)."""
        name = escaped(self.item.link_id)
        if self.item.is_group and self.item.repeats:
            name += f"[{self.number}]"
        above = self.above
        if above is None:
            return name
        inner = f"[{self.branch}]" if above.item.is_question and above.item.repeats else ""
        return f"{above.path()}{inner}/{name}"

    def within(self) -> Iterator[Spot]:
        """Yield the spot and all within it, in the order of the form."""
        yield self
        for branch in self.branches:
            for spot in branch:
                yield from spot.within()

    def refresh(self) -> bool:
        """Write its JSON anew from what it holds; tell whether it came to life or left it."""
        before = self.live
        json = self.json
        if self.item.is_question:
            json["answer"] = self._answers() if self.on else []
            self.live = bool(json["answer"])
        else:
            inner = self.branches[0] if self.branches and self.on else ()
            json["item"] = [spot.json for spot in inner if spot.live]
            self.live = bool(json["item"])
        return self.live != before

    def _answers(self) -> list[Answer]:
        given = self.answers
        if not self.branches:
            return given
        written = []
        for index, branch in enumerate(self.branches):
            answer = dict(given[index]) if index < len(given) else {}
            items = [spot.json for spot in branch if spot.live]
            if items:
                answer["item"] = items
            if answer:
                written.append(answer)
        return written


def escaped(link_id: str) -> str:
    """Write a linkId so that it can be part of a path."""
    return link_id.replace("~", "~0").replace("/", "~1").replace("[", "~2")


class Tree:
    """All spots of a form, read from a response.

    Attributes:
        top: the spots at the top.
        by_link: every spot by linkId, in the order of the form.
        problems: what the response holds that has no place in the form, or the wrong shape.
        document: the response as it would be sent.
    """

    __slots__ = ("by_link", "count", "document", "form", "problems", "top")

    def __init__(self, form: Form, response: Json) -> None:
        """Read a response; it need not be right.

        Raises:
            ResponseTooLong: it has more items than a form may.
        """
        self.form = form
        self.by_link: dict[str, list[Spot]] = {item.link_id: [] for item in form.ordered}
        self.problems: list[Problem] = []
        self.count = 0
        self.document: Json = {name: each for name, each in response.items() if name != "item"}
        self.document.setdefault("resourceType", "QuestionnaireResponse")
        self.top = self.read(form.items, response.get("item"), None)
        self.document["item"] = []

    def read(
        self, items: tuple[Item, ...], given: Any, above: Spot | None, branch: int = 0
    ) -> list[Spot]:
        """Make the spots of items, with what a response holds for them."""
        by_link = self._sorted(given, above) if given else {}
        spots: list[Spot] = []
        for item in items:
            found = by_link.pop(item.link_id, None) if by_link else None
            if item.is_group:
                spots += self._groups(item, found or (), above, branch)
            else:
                spots.append(self._leaf(item, found or (), above, branch))
        for link_id in by_link:
            known = link_id in self.form.by_link
            place = f"{above.path()}/" if above else ""
            code = "item_misplaced" if known else "item_unknown"
            self.problems.append(problem(code, place + escaped(link_id), link_id))
        return spots

    def _sorted(self, given: Any, above: Spot | None) -> dict[str, list[Json]]:
        found: dict[str, list[Json]] = {}
        place = above.path() if above else ""
        for each in given if isinstance(given, list) else [given]:
            link_id = each.get("linkId") if isinstance(each, dict) else None
            if isinstance(link_id, str):
                found.setdefault(link_id, []).append(each)
            else:
                self.problems.append(problem("item_shape", place))
        return found

    def new(self, item: Item, above: Spot | None, branch: int = 0, number: int = 0) -> Spot:
        """Make a spot and list it.

        Raises:
            ResponseTooLong: there are too many already.
        """
        self.count += 1
        if self.count > SPOTS_MAX:
            raise ResponseTooLong(limit=SPOTS_MAX)
        spot = Spot(item, above, branch, number)
        self.by_link[item.link_id].append(spot)
        return spot

    def _groups(
        self, item: Item, found: list[Json] | tuple[()], above: Spot | None, branch: int
    ) -> list[Spot]:
        many = found if item.repeats else found[:1]
        if len(many) > REPEATS_MAX:
            raise ResponseTooLong(link_id=item.link_id, limit=REPEATS_MAX)
        spots = []
        for number, json in enumerate(many or ({},)):
            spot = self.new(item, above, branch, number)
            spot.json |= _beside(json)
            spot.branches = [self.read(item.items, json.get("item"), spot)]
            if "answer" in json:
                self.note("answer_none", spot)
            spots.append(spot)
        if len(found) > len(many):
            self.note("item_again", spots[0])
        return spots

    def _leaf(
        self, item: Item, found: list[Json] | tuple[()], above: Spot | None, branch: int
    ) -> Spot:
        spot = self.new(item, above, branch)
        if not found:
            if item.items and item.is_question:
                spot.branches = [self.read(item.items, None, spot)]
            return spot
        spot.json |= _beside(found[0])
        if not item.is_question:
            if any("answer" in each for each in found):
                self.note("answer_none", spot)
            return spot
        if len(found) > 1:
            self.note("item_again", spot)
        beside = [inner for each in found for inner in _listed(each.get("item"))]
        self._answered(
            spot, [each for json in found for each in _listed(json.get("answer"))], beside
        )
        return spot

    def _answered(self, spot: Spot, found: list[Any], beside: list[Any]) -> None:
        """Take answers over, with the items within each; items beside them go into the first."""
        if len(found) > ANSWERS_MAX:
            raise ResponseTooLong(link_id=spot.item.link_id, limit=ANSWERS_MAX)
        if beside:
            self.note("nesting", spot)
        inner: list[Any] = []
        for each in found:
            answer = _without_items(each)
            valued = answers.kind_of(answer) is not None and not is_wild(answer)
            if not valued and (answer or not isinstance(each, dict) or "item" not in each):
                self.note("answer_shape", spot)
            elif valued:
                spot.given.append(answer)
                inner.append(_listed(each.get("item")))
            else:
                beside = [*beside, *_listed(each.get("item"))]
        inner = inner or [[]]
        inner[0] += beside
        if spot.item.items:
            spot.branches = [
                self.read(spot.item.items, each, spot, index) for index, each in enumerate(inner)
            ]
        else:
            self.read((), [one for each in inner for one in each], spot)

    def has(self, spot: Spot) -> bool:
        """Tell whether a spot still stands in the form."""
        return any(each is spot for each in self.by_link[spot.item.link_id])

    def note(self, code: str, spot: Spot) -> None:
        """Note what is wrong with the shape of the response at a spot."""
        self.problems.append(problem(code, spot.path(), spot.item.link_id))

    def around(self, spot: Spot) -> list[Spot]:
        """Return the very list a spot stands in."""
        return self.top if spot.above is None else spot.above.branches[spot.branch]

    def all(self) -> Iterator[Spot]:
        """Yield every spot in the order of the form."""
        for spot in self.top:
            yield from spot.within()

    def forget(self, spot: Spot) -> None:
        """Take a spot and all within it out of the lists."""
        for each in spot.within():
            self.by_link[each.item.link_id].remove(each)
            self.count -= 1

    def relist(self) -> None:
        """List the spots anew in the order of the form, after repetitions were added."""
        for spots in self.by_link.values():
            spots.clear()
        for spot in self.all():
            self.by_link[spot.item.link_id].append(spot)

    def write(self) -> None:
        """Write the JSON of every spot and of the whole, from the innermost out."""

        def down(spots: list[Spot]) -> None:
            for spot in spots:
                for branch in spot.branches:
                    down(branch)
                spot.refresh()

        down(self.top)
        self.document["item"] = [spot.json for spot in self.top if spot.live]

    def rewrite(self, spot: Spot) -> None:
        """Write the JSON of a spot, and of what it stands in as far as that is touched."""
        if spot.refresh():
            self.rewrite_above(spot)

    def rewrite_above(self, spot: Spot) -> None:
        """Write what a spot stands in, after the spot came to life or left it."""
        here = spot.above
        while here is not None:
            if not here.refresh():
                return
            here = here.above
        self.document["item"] = [each.json for each in self.top if each.live]


def _beside(json: Json) -> Json:
    """Return what an item of a response holds beside what is read: texts, extensions."""
    return {name: value for name, value in json.items() if name not in ("answer", "item")}


def is_wild(json: Any, left: int = JSON_DEPTH_MAX) -> bool:
    """Tell whether JSON is deeper, or a number in it bigger or finer, than any answer is."""
    if isinstance(json, dict):
        return left == 0 or any(is_wild(each, left - 1) for each in json.values())
    if isinstance(json, list):
        return left == 0 or any(is_wild(each, left - 1) for each in json)
    if isinstance(json, int):
        return abs(json) >= WILD
    if isinstance(json, float):
        return not abs(json) < WILD
    if isinstance(json, Decimal):
        _, digits, exponent = json.as_tuple()
        fine = isinstance(exponent, int) and abs(exponent) <= DIGITS_MAX
        return not fine or len(digits) > DIGITS_MAX
    return False


def _without_items(answer: Any) -> Answer:
    if not isinstance(answer, dict):
        return {}
    return {name: value for name, value in answer.items() if name != "item"}


def _listed(given: Any) -> list[Any]:
    if given is None:
        return []
    return list(given) if isinstance(given, list) else [given]
