"""JSON Patch: as RFC 6902 says, without touching what is given, and bounded."""

from __future__ import annotations

import copy
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from citycare.scenarios.exchange.model.errors import PatchBroken, PatchUnfit
from citycare.scenarios.exchange.rules.patching import patched, read

Json = dict[str, Any]

PATIENT: Json = {
    "resourceType": "Patient",
    "id": "p",
    "meta": {"versionId": "3", "lastUpdated": "2026-11-29T00:00:00.000Z", "source": "urn:a"},
    "active": True,
    "name": [{"family": "示例", "given": ["一", "二"]}, {"text": "乙"}],
    "multipleBirthInteger": 1,
    "extension": [{"url": "urn:x", "valueDecimal": Decimal("72.50")}],
    "a/b": {"~": 1},
}


def changed(*operations: Json) -> Json:
    """Return what changes at the top of the patient."""
    before = copy.deepcopy(PATIENT)
    made = patched(PATIENT, read(list(operations)))
    assert before == PATIENT
    return {
        name: made.get(name)
        for name in {*made, *PATIENT}
        if made.get(name) != PATIENT.get(name) or name not in made
    }


def op(name: str, path: str, *value: Any, **more: str) -> Json:
    """Return one operation."""
    made: Json = {"op": name, "path": path} | ({"value": value[0]} if value else {})
    return made | {key.strip("_"): one for key, one in more.items()}


@pytest.mark.parametrize(
    ("operation", "change"),
    [
        (op("add", "/gender", "female"), {"gender": "female"}),
        (op("add", "/active", value := False), {"active": value}),
        (op("replace", "/active", False), {"active": False}),
        (op("remove", "/active"), {"active": None}),
        (op("add", "/name/1", {"text": "甲"}), {
            "name": [PATIENT["name"][0], {"text": "甲"}, {"text": "乙"}]}),
        (op("add", "/name/2", {"text": "丙"}), {"name": [*PATIENT["name"], {"text": "丙"}]}),
        (op("add", "/name/-", {"text": "丙"}), {"name": [*PATIENT["name"], {"text": "丙"}]}),
        (op("replace", "/name/0", {"text": "甲"}), {"name": [{"text": "甲"}, {"text": "乙"}]}),
        (op("remove", "/name/0"), {"name": [{"text": "乙"}]}),
        (op("move", "/name/1", from_="/name/0"), {"name": PATIENT["name"][::-1]}),
        (op("move", "/name/0", from_="/name/0"), {}),
        (op("copy", "/name/0/text", from_="/name/1/text"), {
            "name": [{**PATIENT["name"][0], "text": "乙"}, {"text": "乙"}]}),
        (op("test", "/name/0/given", ["一", "二"]), {}),
        (op("test", "/multipleBirthInteger", Decimal("1.0")), {}),
        (op("test", "/extension/0/valueDecimal", Decimal("72.5")), {}),
        (op("replace", "/a~1b/~0", 2), {"a/b": {"~": 2}}),
        (op("test", "", PATIENT), {}),
        (op("add", "/active", None, unknown="x"), {"active": None}),
    ],
)  # fmt: skip
def test_operations(operation: Json, change: Json) -> None:
    assert changed(operation) == change


@pytest.mark.parametrize(
    "operation",
    [
        op("test", "/active", 1),
        op("test", "/multipleBirthInteger", True),
        op("test", "/multipleBirthInteger", "1"),
        op("test", "/name/0/given", ["二", "一"]),
        op("test", "/gender", "female"),
        op("remove", "/gender"),
        op("replace", "/gender", "female"),
        op("remove", "/name/2"),
        op("remove", "/name/-"),
        op("replace", "/name/-", {}),
        op("add", "/name/3", {}),
        op("add", "/name/01", {}),
        op("add", "/name/٣", {}),
        op("add", "/name/-1", {}),
        op("add", "/active/x", 1),
        op("add", "/contact/0", {}),
        op("remove", ""),
        op("copy", "/gender", from_="/sex"),
        op("replace", "/id", "q"),
        op("remove", "/id"),
        op("replace", "/resourceType", "Group"),
        op("replace", "", []),
        op("replace", "", {"resourceType": "Patient", "id": "q"}),
    ],
)
def test_what_does_not_fit_is_refused_with_its_place(operation: Json) -> None:
    before = copy.deepcopy(PATIENT)
    with pytest.raises(PatchUnfit) as refused:
        patched(PATIENT, read([op("test", "/active", True), operation]))
    assert refused.value.facts["operation"] == 1
    assert before == PATIENT


@pytest.mark.parametrize(
    "document",
    [
        None, {}, [], "x", [1], [[]], [{}],
        [op("delete", "/a")],
        [{"op": "remove"}],
        [op("remove", "a")],
        [op("remove", "/a~2")],
        [op("remove", "/a~")],
        [{"op": "remove", "path": 1}],
        [{"op": ["remove"], "path": "/a"}],
        [op("add", "/a")],
        [op("move", "/a")],
        [op("move", "/a/b", from_="/a")],
        [op("move", "/a", from_="")],
        [op("remove", "/a" * 101)],
        [op("remove", "/" + "a" * 3_000)],
        [op("remove", "/a")] * 1_001,
    ],
)  # fmt: skip
def test_what_is_no_patch_is_refused(document: Any) -> None:
    with pytest.raises(PatchBroken):
        read(document)


def test_decimals_keep_their_digits() -> None:
    made = patched(PATIENT, read([op("add", "/extension/0/valueDecimal", Decimal("1.500"))]))
    assert str(made["extension"][0]["valueDecimal"]) == "1.500"
    made = patched(PATIENT, read([op("copy", "/extension/-", from_="/extension/0")]))
    assert str(made["extension"][1]["valueDecimal"]) == "72.50"


def test_versions_stay_the_servers() -> None:
    kept = {"versionId": "3", "lastUpdated": "2026-11-29T00:00:00.000Z"}
    for operation in (
        op("replace", "/meta/versionId", "9"),
        op("remove", "/meta/lastUpdated"),
        op("add", "/meta/lastUpdated", "1999"),
    ):
        assert patched(PATIENT, read([operation]))["meta"] == {**kept, "source": "urn:a"}
    for operation in (op("remove", "/meta"), op("replace", "/meta", {"versionId": "9"})):
        assert patched(PATIENT, read([operation]))["meta"] == kept


def test_an_operation_does_not_change_what_an_earlier_one_put() -> None:
    name = {"text": "甲"}
    made = patched(PATIENT, read([
        op("add", "/name/-", name), op("add", "/name/-", name),
        op("copy", "/name/-", from_="/name/2"), op("replace", "/name/2/text", "丁"),
    ]))  # fmt: skip
    assert [one["text"] for one in made["name"][2:]] == ["丁", "甲", "甲"]
    assert name == {"text": "甲"}


def test_copies_of_copies_are_bounded() -> None:
    start = {"resourceType": "Patient", "id": "p", "a": [["x" * 100] * 100]}
    bomb = read([op("copy", "/a/-", from_="/a")] * 1_000)
    with pytest.raises(PatchUnfit) as refused:
        patched(start, bomb)
    assert refused.value.facts["problem"] in ("too much work", "nested too deeply")


def test_deep_values_are_refused() -> None:
    deep: Any = 1
    for _ in range(5_000):
        deep = [deep]
    with pytest.raises(PatchUnfit) as refused:
        patched(PATIENT, read([op("add", "/deep", deep)]))
    assert refused.value.facts["problem"] == "nested too deeply"
    with pytest.raises(PatchUnfit):
        patched(PATIENT, read([op("test", "/name", deep)]))


def test_long_arrays_cost_work() -> None:
    wide = {"resourceType": "Patient", "id": "p", "a": [1] * 300_000}
    with pytest.raises(PatchUnfit) as refused:
        patched(wide, read([op("add", "/a/0", 1)] * 1_000))
    assert refused.value.facts["problem"] == "too much work"


# --- against the words of the RFC, followed literally on a copy


VALUES = st.recursive(
    st.one_of(st.booleans(), st.integers(0, 2), st.just("x")),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.sampled_from("abc"), inner, max_size=3)
    ),
    max_leaves=8,
)
POINTERS = st.lists(st.sampled_from(["a", "b", "c", "0", "1", "-"]), max_size=3).map(
    lambda tokens: "".join(f"/{one}" for one in tokens)
)


def literally(root: Any, operation: Json) -> Any:
    """Do one operation in place, slowly; LookupError or TypeError where it does not fit."""
    name, path = operation["op"], operation["path"].split("/")[1:]
    value = operation.get("value")
    if name in ("move", "copy"):
        source = operation["from"].split("/")[1:]
        value = copy.deepcopy(_value(root, source))
        if name == "move":
            root = literally(root, {"op": "remove", "path": operation["from"]})
    if name in ("replace", "remove"):
        _value(root, path)
    if not path:
        if name == "remove":
            raise LookupError
        return value
    holder, last = _value(root, path[:-1]), path[-1]
    if isinstance(holder, list):
        _into_list(holder, last, name, value)
    elif not isinstance(holder, dict):
        raise TypeError
    elif name == "remove":
        del holder[last]
    else:
        holder[last] = value
    return root


def _into_list(holder: list[Any], last: str, name: str, value: Any) -> None:
    at = len(holder) if last == "-" and name in ("add", "copy", "move") else int(last)
    if name == "remove":
        del holder[at]
    elif name == "replace":
        holder[at] = value
    elif at > len(holder):
        raise LookupError
    else:
        holder.insert(at, value)


def _value(root: Any, path: list[str]) -> Any:
    for token in path:
        if not isinstance(root, dict | list):
            raise TypeError
        root = root[token] if isinstance(root, dict) else root[int(token)]
    return root


OPERATIONS = st.lists(
    st.one_of(
        st.builds(op, st.sampled_from(["add", "replace"]), POINTERS.map("/x".__add__), VALUES),
        st.builds(op, st.just("remove"), POINTERS.map("/x".__add__)),
        st.builds(
            lambda name, path, source: op(name, path, from_=source),
            st.sampled_from(["move", "copy"]),
            POINTERS.map("/x".__add__),
            POINTERS.map("/x".__add__),
        ).filter(lambda one: one["op"] == "copy" or not _inside(one["path"], one["from"])),
    ),
    min_size=1,
    max_size=6,
)


def _inside(path: str, source: str) -> bool:
    return path != source and path.split("/")[: source.count("/") + 1] == source.split("/")


@given(VALUES, OPERATIONS)
def test_operations_do_what_the_words_say(start: Any, operations: list[Json]) -> None:
    document = {"resourceType": "Patient", "id": "p", "x": start}
    wanted: Any = copy.deepcopy(document)
    try:
        for one in copy.deepcopy(operations):
            wanted = literally(wanted, one)
    except (LookupError, TypeError, ValueError):
        wanted = None
    try:
        made: Any = patched(document, read(operations))
    except PatchUnfit:
        made = None
    assert made == wanted
