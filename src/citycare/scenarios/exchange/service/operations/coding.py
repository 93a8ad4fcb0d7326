"""Terminology: `$expand`, `$lookup`, `$validate-code`, `$translate`, `$subsumes`.

At a resource they ask about that resource; at a type about what `url` names.

Source: HL7 FHIR R4 4.0.1, operations ValueSet/$expand, CodeSystem/$lookup,
CodeSystem/$validate-code, ValueSet/$validate-code, ConceptMap/$translate, CodeSystem/$subsumes.
"""

from __future__ import annotations

from typing import Any

from citycare.kernel import fhir
from citycare.kernel.fhir import terminology
from citycare.kernel.fhir.terminology import Coding, Options, answers
from citycare.scenarios.exchange.model.calls import Answer
from citycare.scenarios.exchange.service.operations.given import wrong
from citycare.scenarios.exchange.service.operations.model import Operating, answer
from citycare.scenarios.exchange.service.reading import visible_version

Json = dict[str, Any]

EXPAND = frozenset(
    (
        "url", "valueSet", "valueSetVersion", "filter", "offset", "count", "includeDesignations",
        "activeOnly", "displayLanguage", "system-version", "excludeNested",
        "excludePostCoordinated",
    )
)  # fmt: skip
"""The last two ask for what is always so: expansions are flat, codes are never built."""
LOOKUP = frozenset(("code", "system", "version", "coding", "displayLanguage", "property"))
CODE_OF_SYSTEM = frozenset(
    ("url", "code", "version", "display", "coding", "codeableConcept", "abstract")
)
CODE_OF_SET = frozenset(
    (
        "url", "valueSet", "valueSetVersion", "code", "system", "systemVersion", "display",
        "coding", "codeableConcept", "abstract",
    )
)  # fmt: skip
SUBSUMES = frozenset(("codeA", "codeB", "system", "version", "codingA", "codingB"))
TRANSLATE = frozenset(
    (
        "url", "conceptMapVersion", "code", "system", "version", "source", "coding",
        "codeableConcept", "target", "targetsystem", "reverse",
    )
)  # fmt: skip


async def expand(asked: Operating) -> Answer:
    """Answer a ValueSet with its codes."""
    given = asked.given
    versions = dict(_parted(one) for one in given.texts("system-version"))
    options = Options(
        filter=given.text("filter"),
        offset=given.number("offset") or 0,
        count=given.number("count"),
        active_only=given.flag("activeOnly"),
        language=given.text("displayLanguage"),
        designations=given.flag("includeDesignations"),
        versions=versions,
    )
    value_set = await _value_set(asked)
    await asked.note()
    return answer(await terminology.expand(asked.cx, value_set, options))


def _parted(text: str) -> tuple[str, str]:
    url, bar, version = text.partition("|")
    if not bar or not url or not version:
        raise wrong("system-version", text, "not system|version")
    return url, version


async def lookup(asked: Operating) -> Answer:
    """Answer what is known of a code."""
    given = asked.given
    asked.access.require(asked.type, "r")
    coding = _coding(asked, "coding", "code", "system", "version")
    if not coding.code or not coding.system:
        raise wrong("code", coding.code, "needs a code and its system")
    found = await terminology.lookup(asked.cx, coding)
    await asked.note()
    told = answers.lookup(
        found, language=given.text("displayLanguage"), properties=given.texts("property")
    )
    return answer(told)


async def validate_code(asked: Operating) -> Answer:
    """Answer whether a code is one of a code system or a value set, and called what it is."""
    if asked.type == "CodeSystem":
        value_set: str | Json | None = None
        system = await _named(asked, "system")
        names = ("coding", "code", "", "version", "display")
    else:
        value_set, system = await _value_set(asked), ""
        names = ("coding", "code", "system", "systemVersion", "display")
    abstract = asked.given.flag("abstract")
    concept = asked.given.complex("codeableConcept", "CodeableConcept")
    if concept is not None:
        some = concept.get("coding", [])
        if system:  # codes of other systems say nothing of this one
            some = [one for one in some if one.get("system") == system]
        told = await terminology.validate_concept(
            asked.cx, {"coding": some}, value_set, abstract=abstract
        )
    else:
        coding = _coding(asked, *names, system=system)
        told = await terminology.validate_code(asked.cx, coding, value_set, abstract=abstract)
    await asked.note()
    return answer(answers.checked(told))


async def subsumes(asked: Operating) -> Answer:
    """Answer how one code stands to another of the same system."""
    system = await _named(asked, "system", parameter="system")
    first = _coding(asked, "codingA", "codeA", "system", "version", system=system)
    second = _coding(asked, "codingB", "codeB", "system", "version", system=system)
    if not (first.code and second.code and first.system) or first.system != second.system:
        raise wrong("system", second.system, "needs two codes of one system")
    found = await terminology.subsumes(
        asked.cx, first.system, first.code, second.code, first.version or second.version
    )
    await asked.note()
    return answer(answers.subsumption(found))


async def translate(asked: Operating) -> Answer:
    """Answer what a code is in another system."""
    given = asked.given
    asked.access.require(asked.type, "r")
    url = await _canonical(asked, "conceptMapVersion")
    concept = given.complex("codeableConcept", "CodeableConcept")
    if concept is not None:
        codings = [Coding.of(one) for one in concept.get("coding", [])]
    else:
        codings = [_coding(asked, "coding", "code", "system", "version")]
    if not codings:
        raise wrong("codeableConcept", "", "has no coding")
    found = [
        await terminology.translate(
            asked.cx,
            one,
            url=url,
            source=given.text("source"),
            target=given.text("target"),
            target_system=given.text("targetsystem"),
            reverse=given.flag("reverse"),
        )
        for one in codings[:CODINGS_MAX]
    ]
    await asked.note()
    result = any(one.result for one in found)
    message = "" if result else "; ".join(one.message for one in found)
    matches = tuple(match for one in found for match in one.matches)
    return answer(answers.translated(terminology.Translated(result, message, matches)))


CODINGS_MAX = 50


def _coding(
    asked: Operating,
    whole: str,
    code: str,
    system_name: str,
    version: str,
    display: str = "",
    *,
    system: str = "",
) -> Coding:
    """Read a code, given as Coding or as parameters by these names, of this system.

    Raises:
        ParameterWrong: given both ways, or of another system.
    """
    given = asked.given
    coding = given.complex(whole, "Coding")
    if coding is not None and given.all(code):
        raise wrong(whole, "", f"given beside {code}")
    if coding is not None:
        found = Coding.of(coding)
    else:
        named = given.text(system_name) if system_name else ""
        text = given.text(display) if display else ""
        found = Coding(given.text(code), named, given.text(version), text)
    if system and found.system not in ("", system):
        raise wrong(whole, found.system, f"not of {system}")
    return Coding(found.code, found.system or system, found.version, found.display)


async def _stored(asked: Operating) -> Json:
    """Return the resource it is called at."""
    stored = await visible_version(asked.cx, asked.access, asked.trail, asked.type, asked.id)
    resource: Json = fhir.loads(stored.body or "")
    return resource


async def _named(asked: Operating, what: str, *, parameter: str = "url") -> str:
    """Return the url of the code system: of this resource, or as given; `""`: neither."""
    asked.access.require(asked.type, "r")
    if not asked.id:
        return asked.given.text(parameter)
    url = (await _stored(asked)).get("url", "")
    if not url or asked.given.text(parameter) not in ("", url):
        raise wrong(parameter, url, f"not the {what} of this resource")
    return str(url)


async def _canonical(asked: Operating, version_name: str) -> str:
    """Return `url|version` of this resource, or as given; `""`: neither."""
    if asked.id:
        resource = await _stored(asked)
        url, version = str(resource.get("url", "")), str(resource.get("version", ""))
        if not url:
            raise wrong("url", "", "this resource has none")
    else:
        url, version = asked.given.text("url"), asked.given.text(version_name)
    return f"{url}|{version}" if url and version else url


async def _value_set(asked: Operating) -> str | Json:
    """Return the value set that is asked about: this one, one by its url, one that was sent.

    Raises:
        ParameterWrong: none, or several.
    """
    given = asked.given
    asked.access.require("ValueSet", "r")
    sent = given.resource("valueSet", "ValueSet")
    if len([one for one in (asked.id, given.text("url"), sent) if one]) != 1:
        raise wrong("url", given.text("url"), "needs one value set: url, valueSet, or an address")
    if sent is not None:
        return sent
    if asked.id:
        resource = await _stored(asked)
        if "url" not in resource:
            return resource
    return await _canonical(asked, "valueSetVersion")
