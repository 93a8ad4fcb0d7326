"""`$validate`: every fault of a resource at once, and whether it would be taken.

A resource is held to R4, to the profiles it claims that are here, and to those that are asked for.

Source: HL7 FHIR R4 4.0.1, operation Resource/$validate; value set resource-validation-mode.
"""

from __future__ import annotations

from typing import Any

from citycare.kernel import fhir
from citycare.kernel.fhir import integrity, r4
from citycare.kernel.fhir.profiles import compiling, loading
from citycare.kit.errors import AppError
from citycare.scenarios.exchange.model.calls import Answer
from citycare.scenarios.exchange.model.errors import (
    ProfileUnknown,
    ResourceDiffers,
)
from citycare.scenarios.exchange.model.values import Issue
from citycare.scenarios.exchange.rules import refusing
from citycare.scenarios.exchange.service.operations.given import wrong
from citycare.scenarios.exchange.service.operations.model import Operating, answer
from citycare.scenarios.exchange.service.reading import visible_version
from citycare.scenarios.exchange.service.writing import Writing

Json = dict[str, Any]

TAKES = frozenset(("resource", "mode", "profile"))
CREATE, UPDATE, DELETE = "create", "update", "delete"
MODES = ("", CREATE, UPDATE, DELETE)
INTERACTION = {CREATE: "c", UPDATE: "u", DELETE: "d"}
DEFINITIONS = "http://hl7.org/fhir/StructureDefinition/"
UNNAMED = "unnamed"


async def validate(asked: Operating) -> Answer:
    """Answer an OperationOutcome of every fault; with or without, the check itself succeeded.

    Without a resource, what is kept at this address is checked. With a mode it is also told what
    would keep it from being created, updated, or deleted.

    Raises:
        ProfileUnknown: it should be held to what is not here.
        ParameterWrong: there is nothing to validate, or not in this mode at this address.
    """
    mode = asked.given.text("mode")
    if mode not in MODES:
        raise wrong("mode", mode, "none of " + " ".join(MODES[1:]))
    if mode in (UPDATE, DELETE) and not asked.id:
        raise wrong("mode", mode, "is asked at a resource")
    asked.access.require(asked.type, "r")
    beside = _beside_r4(asked)
    kept = await _kept(asked, mode)
    resource = asked.given.resource("resource")
    if resource is None and kept is None:
        raise wrong("resource", "", "missing")
    subject = resource if resource is not None else kept or {}
    judged = await loading.judged(asked.cx, subject, beside)
    for profile, reason in judged.unknown:
        if profile in beside:
            raise ProfileUnknown(parameter="profile", profile=profile[:200], reason=reason[:200])
    issues = _faults(asked, subject, mode, judged) if mode != DELETE else []
    try:
        await _would_be_taken(asked, mode, resource, kept)
    except AppError as error:
        issues += refusing.issues_of(error)
    return answer(refusing.outcome(issues))


def _beside_r4(asked: Operating) -> list[str]:
    """Return the profiles asked for; to the definition of its own type everything is held anyway.

    Raises:
        ProfileUnknown: it is R4's definition of another type.
    """
    found = []
    for profile in asked.given.texts("profile"):
        if profile.partition("|")[0] == DEFINITIONS + asked.type:
            continue
        if compiling.is_own(profile):
            raise ProfileUnknown(parameter="profile", profile=profile[:200])
        found.append(profile)
    return found


async def _kept(asked: Operating, mode: str) -> Json | None:
    """Return what is kept at this address, which is there unless it is about to be created."""
    if not asked.id or mode == CREATE:
        return None
    stored = await visible_version(asked.cx, asked.access, asked.trail, asked.type, asked.id)
    resource: Json = fhir.loads(stored.body or "")
    await asked.note(integrity.persons_named(resource))
    return resource


def _faults(asked: Operating, resource: Json, mode: str, judged: loading.Judged) -> list[Issue]:
    """Return what breaks a rule, then what breaks good practice, then what was not checked."""
    kind = resource.get("resourceType")
    if kind != asked.type:
        error = ResourceDiffers(type=asked.type, sent=str(kind)[:64])
        return refusing.issues_of(error)
    named = resource if "id" in resource and mode != CREATE else resource | {"id": UNNAMED}
    broken = (*fhir.violations(named), *judged.violations)
    issues = [refusing.issue_of(one, fhir.Invalid.code) for one in broken]
    warned = [one for one in r4.faults(named) if one.warning]
    issues += [
        Issue("invariant", f"建议遵守 {one.code}", f"{one.code}: {one.told}", "warning", one.place)
        for one in warned
    ]
    issues += [
        Issue("informational", f"没有按这个规范检查：{one}", f"Not checked: {one}", "information")
        for one in (*(": ".join(each) for each in judged.unknown), *judged.passed_over)
    ]
    if len(issues) > refusing.ISSUES_MAX:
        left = Issue(
            "incomplete", "还有更多问题没有列出。", "There are more issues.", "information"
        )
        issues = [*issues[: refusing.ISSUES_MAX], left]
    return issues


async def _would_be_taken(
    asked: Operating, mode: str, resource: Json | None, kept: Json | None
) -> None:
    """Check what a write would check beside the resource itself.

    Raises:
        AppError: the first thing for which it would be refused.
    """
    if not mode:
        return
    asked.access.require(asked.type, INTERACTION[mode])
    if kept is not None:
        asked.access.require_writable(kept)
        writing = Writing(asked.cx, asked.access, asked.base)
        await writing.require_own(asked.type, asked.id)
    if mode == DELETE:
        seen = asked.access.seen("r")
        await integrity.require_unreferenced(asked.cx, [(asked.type, asked.id)], seen)
        return
    if resource is None or resource.get("resourceType") != asked.type:
        return
    if asked.id and resource.get("id") not in (None, asked.id):
        raise ResourceDiffers(id=asked.id, sent=str(resource.get("id"))[:64])
    asked.access.require_writable(resource)
    await integrity.require_targets(asked.cx, [resource], asked.base)
