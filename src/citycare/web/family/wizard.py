"""A form shown whole, or in elder mode one question a screen: answers so far ride along hidden.

Works without script; nothing typed stands in an address. `seen` says which questions were shown.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from starlette.requests import Request

from citycare.web.forms import Form
from citycare.web.manner import Words, manner_of, words_of
from citycare.web.parts import Fact, Option

SEEN, SURE = "seen", "sure"


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """One question. `kind`: text, day, select, choices (one) or many."""

    name: str
    label: str
    ask: str
    kind: str = "text"
    hint: str = ""
    options: tuple[Option, ...] = ()
    value: str = ""
    error: str = ""
    companion: str = ""  # the field asked on the same screen


@dataclass(frozen=True, slots=True, kw_only=True)
class FormPage:
    """The form as shown: some fields, the rest hidden; or with `facts`, 'is this right?'."""

    action: str
    title: str
    words: str
    back: str
    fields: tuple[Field, ...]
    hidden: tuple[tuple[str, str], ...]
    facts: tuple[Fact, ...] = ()
    button: str = ""
    error: str = ""
    asking: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What the form is about, before anything is filled in."""

    action: str
    title: str
    words: str
    back: str
    button: str
    fields: tuple[Field, ...]
    fixed: tuple[tuple[str, str], ...] = ()
    lead: Mapping[str, str] = field(default_factory=dict)


def is_complete(request: Request, form: Form) -> bool:
    """Tell whether all was asked, answered well, and in elder mode said to be right."""
    if form.errors:
        return False
    return not manner_of(request).elder or form.values.get(SURE) == "yes"


def page_of(
    request: Request, plan: Plan, form: Form, errors: Mapping[str, str], said: str = ""
) -> tuple[FormPage, int]:
    """Return the page and its status: 422 where something shown was answered wrongly."""
    words = words_of(request)
    seen = set(form.values.get(SEEN, "").split())
    fields = [_filled(one, form, errors if one.name in seen else {}) for one in plan.fields]
    whole = FormPage(
        action=plan.action,
        title=plan.title,
        words=plan.words,
        back=plan.back,
        fields=tuple(fields),
        hidden=(*plan.fixed, (SEEN, " ".join(one.name for one in fields))),
        button=plan.button,
        error=said,
    )
    status = 409 if said else 422 if any(one.error for one in fields) else 200
    if not manner_of(request).elder:
        return whole, status
    open_ = [one for one in fields if one.name not in seen or one.name in errors]
    if not open_:
        return _sure(whole, plan, form, fields, words), status
    asked = [one for one in fields if one.name in (open_[0].name, open_[0].companion)]
    return _one_question(whole, plan, form, asked, seen, words), status


def _filled(one: Field, form: Form, errors: Mapping[str, str]) -> Field:
    given = set(form.many.get(one.name, ()))
    was_sent = bool(form.values)
    options = tuple(
        replace(option, selected=option.value in given) if given or was_sent else option
        for option in one.options
    )
    value = form.values.get(one.name, one.value)
    return replace(one, options=options, value=value, error=errors.get(one.name, ""))


def _carried(form: Form, without: Sequence[Field], plan: Plan) -> tuple[tuple[str, str], ...]:
    shown = {one.name for one in without}
    names = [one.name for one in plan.fields if one.name not in shown]
    return tuple((name, value) for name in names for value in form.many.get(name, ()))


def _one_question(
    whole: FormPage, plan: Plan, form: Form, asked: Sequence[Field], seen: set[str], words: Words
) -> FormPage:
    fresh = [
        one if one.name in seen else replace(one, options=_first(plan, one.name)) for one in asked
    ]
    so_far = " ".join(sorted(seen | {one.name for one in asked}))
    return replace(
        whole,
        title=asked[0].ask,
        words=plan.lead.get(asked[0].name, ""),
        fields=tuple(fresh),
        hidden=(*plan.fixed, *_carried(form, asked, plan), (SEEN, so_far)),
        button=words("下一步"),
        asking=True,
    )


def _first(plan: Plan, name: str) -> tuple[Option, ...]:
    """Return a question's options as they stand before anybody answered."""
    return next(one.options for one in plan.fields if one.name == name)


def _sure(
    whole: FormPage, plan: Plan, form: Form, fields: Sequence[Field], words: Words
) -> FormPage:
    facts = tuple(Fact(name=one.label, text=_said(one, words)) for one in fields)
    everything = " ".join(one.name for one in fields)
    return replace(
        whole,
        title=words("都对吗？"),
        words=plan.words,
        fields=(),
        facts=facts,
        hidden=(*plan.fixed, *_carried(form, (), plan), (SEEN, everything), (SURE, "yes")),
        asking=True,
    )


def _said(one: Field, words: Words) -> str:
    chosen = [option.label for option in one.options if option.selected]
    return words("、").join(chosen) if one.options else one.value
