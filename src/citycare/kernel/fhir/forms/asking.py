"""What expressions and questions ask at a place of a form: variables, scores, what is offered."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

from citycare.kernel.fhir.forms import choices
from citycare.kernel.fhir.forms.choices import Options
from citycare.kernel.fhir.forms.form import Form, Item
from citycare.kernel.fhir.forms.formulas import Formula, Items, Place, Scope, found
from citycare.kernel.fhir.forms.model import NOTHING, Json, Sources
from citycare.kernel.fhir.forms.spots import Spot, Tree
from citycare.kernel.fhir.path import Hooks

Weight = Decimal | int | None


def _populated(form: Form) -> list[str]:
    """Return the names of population contexts; later, without them, they are nothing."""
    made = [form.population, *(item.population for item in form.ordered)]
    return [each.name for each in made if each is not None and each.name]


class Asking:
    """A form with a response, and what may be asked of them.

    Attributes:
        tree: the spots and the response as it would be sent.
        variables: those of the whole form, by name.
    """

    def __init__(
        self, form: Form, response: Json, *, now: datetime | None, sources: Sources
    ) -> None:
        """Read a response.

        Raises:
            ResponseTooLong: it has more items than a form may.
        """
        self.form = form
        self.now = now
        self.sources = sources
        self.tree = Tree(form, response)
        self.variables: dict[str, Any] = {}
        self._expanded: dict[str, Options | None] = {}
        self._weights: dict[int, tuple[Json, Weight]] | None = None
        self._hooks = Hooks(resolve=sources.resolve, weight=self._weight, member=self._member)
        nothing: list[Any] = []
        self._declared: Mapping[str, Any] = {
            **dict.fromkeys((*form.context, *_populated(form)), nothing),
            **sources.context,
            "questionnaire": form.source,
        }

    def ask(
        self, formula: Formula, spot: Spot | None, own: Mapping[str, Any] | None = None
    ) -> Items:
        """Evaluate an expression at a spot; without spot on the whole response.

        Args:
            formula: the expression.
            spot: where.
            own: variables of the spot (or the form) it may use; all of them, if not given.

        Raises:
            PathError: it cannot be evaluated.
        """
        mappings: list[Mapping[str, Any]] = []
        if spot is not None:
            mappings.append(spot.variables if own is None else own)
            here = spot.above
            while here is not None:
                if here.variables:
                    mappings.append(here.variables)
                here = here.above
        mappings.append(own if spot is None and own is not None else self.variables)
        item = NOTHING if spot is None else {"qitem": spot.item.source}
        document = self.tree.document
        place = Place(
            document if spot is None else spot.json,
            document,
            Scope(*mappings, self._declared, item),
            self.now,
            self._hooks,
            self.sources,
        )
        return found(formula, place)

    def _weight(self, coding: Any) -> Weight:
        """Return the score of an answer's Coding; the question it answers decides."""
        if self._weights is None:
            self._weights = {}
            for spot in self.tree.all():
                self.weigh(spot)
        known = self._weights.get(id(coding))
        return None if known is None else known[1]

    def weigh(self, spot: Spot) -> None:
        """Note the scores of a spot's answers, by the very objects they are."""
        if self._weights is None or "Coding" not in spot.item.kinds:
            return
        options = self.options(spot)
        if options is None or not options.has_weights:
            return
        for answer in (*spot.given, *(spot.computed or ())):
            coding = answer.get("valueCoding")
            choice = options.find(answer) if isinstance(coding, dict) else None
            if isinstance(coding, dict) and choice is not None:
                self._weights[id(coding)] = (coding, choice.weight)  # held, so the id stays its own

    def _member(self, value: Any, canonical: str) -> bool | None:
        options = self.expanded(canonical)
        coding = value if isinstance(value, dict) else {"code": value}
        if options is not None:
            return options.find({"valueCoding": coding}) is not None
        return None if self.sources.member is None else self.sources.member(coding, canonical)

    def options(self, spot: Spot) -> Options | None:
        """Return what a question offers at a spot; None where that is not known."""
        if isinstance(spot.offered, Options):
            return spot.offered
        item = spot.item
        if item.options is not None or not item.value_set:
            return item.options
        return self.expanded(item.value_set)

    def units(self, item: Item) -> Options | None:
        """Return the units a quantity may have; None where any, or not known."""
        if item.units is not None or not item.unit_set:
            return item.units
        return self.expanded(item.unit_set)

    def expanded(self, canonical: str) -> Options | None:
        """Return a value set, asked for once; None where it is not known or too big."""
        if canonical not in self._expanded:
            codings = choices.Contained(self.form.source).expand(canonical)
            if codings is None and self.sources.expand is not None:
                asked = self.sources.expand(canonical)
                codings = None if asked is None else list(asked)
            self._expanded[canonical] = None if codings is None else choices.of_value_set(codings)
        return self._expanded[canonical]
