from __future__ import annotations

from pathlib import Path

import pytest

from citycare.kernel.fhir.terminology import Layout, Problem, Unreadable, listing
from citycare.kernel.fhir.terminology.listing import Table
from citycare.kernel.fhir.terminology.model import Concept, Entry, Property
from tests.kernel.fhir.terminology.made import written

LADDER = (
    "章,章代码范围,章的名称,节代码范围,节名称,类目代码,类目名称,亚目代码,亚目名称,诊断代码,诊断名称,使用标记\n"
    "1,Q00-Q99,合成章,Q00-Q09,合成节,Q01,合成类目,Q01.0,合成亚目,Q01.000,合成诊断甲,1\n"
    "1,Q00-Q99,合成章,Q00-Q09,合成节,Q01,合成类目,Q01.0,合成亚目,Q01.000x001,合成诊断乙,1\n"
    "1,Q00-Q99,合成章,Q00-Q09,合成节,Q02,合成类目二,,,Q02.x00,合成诊断丙,0\n"
    "1,Q00-Q99,合成章,Q00-Q09,合成节,Q03,合成类目三,,,,,\n"
)


def read(folder: Path, text: str, layout: Layout | None = None, **more: str) -> list[Concept]:
    table = Table(written(folder, "list.csv", text, **more), layout or Layout())
    found = list(listing.concepts(table)())
    table.faults.check()
    return found


def problems(folder: Path, text: str, layout: Layout | None = None) -> list[Problem]:
    with pytest.raises(Unreadable) as refused:
        read(folder, text, layout)
    return list(refused.value.problems)


def test_columns_are_known_by_their_headers_and_others_become_properties(tmp_path: Path) -> None:
    found = read(
        tmp_path,
        "编码,名称,上级编码,别名,停用,附加编码\nQ01,合成甲,,,否,\nQ01.0,合成乙,Q01,甲二|甲三,是,B9*\n",
    )
    assert [(one.code, one.display, one.parents) for one in found] == [
        ("Q01", "合成甲", ()),
        ("Q01.0", "合成乙", ("Q01",)),
    ]
    second = found[1]
    assert [one.value for one in second.designations] == ["甲二", "甲三"]
    assert second.inactive
    assert second.properties == (Property("附加编码", "String", "B9*"),)


def test_the_clinical_layout_has_its_hierarchy_from_the_codes(tmp_path: Path) -> None:
    text = "主要编码,附加编码,疾病名称\nQ01.001†,,合成丙\nQ01,,合成甲\nQ01.0,,合成乙\nR7,,合成丁\n"
    found = read(tmp_path, text, Layout(by_prefix=True, strip="†*"))
    assert {one.code: one.parents for one in found} == {
        "Q01.001": ("Q01.0",),
        "Q01": (),
        "Q01.0": ("Q01",),
        "R7": (),
    }


def test_the_insurances_layout_names_all_levels_in_each_row(tmp_path: Path) -> None:
    found = read(tmp_path, LADDER)
    assert [(one.code, one.parents) for one in found] == [
        ("Q00-Q99", ()),
        ("Q00-Q09", ("Q00-Q99",)),
        ("Q01", ("Q00-Q09",)),
        ("Q01.0", ("Q01",)),
        ("Q01.000", ("Q01.0",)),
        ("Q01.000x001", ("Q01.0",)),
        ("Q02", ("Q00-Q09",)),
        ("Q02.x00", ("Q02",)),
        ("Q03", ("Q00-Q09",)),
    ]
    flagged = {one.code: [each.value for each in one.properties] for one in found}
    assert flagged["Q02.x00"] == ["1", "0"]
    assert flagged["Q02"] == []


def test_gb_18030_is_recognised_and_quoted_cells_may_hold_commas(tmp_path: Path) -> None:
    found = read(tmp_path, '编码,名称\nQ1,"合成甲，乙,丙"\n', encoding="gb18030")
    assert found[0].display == "合成甲，乙,丙"


def test_a_list_is_read_as_often_as_it_is_asked_for(tmp_path: Path) -> None:
    table = Table(written(tmp_path, "a.csv", LADDER), Layout())
    again = listing.concepts(table)
    assert list(again()) == list(again())


@pytest.mark.parametrize(
    ("text", "place", "field", "wrong"),
    [
        ("code,display\n,x\n", "row 2", "code", "is empty"),
        ("code,display\nQ1,\n", "row 2", "display", "is empty"),
        ("code,display\nQ1,x\nQ2,y,z\n", "row 3", "", "3 cells, the header has 2"),
        ("code,display\nQ  1,x\n", "row 2", "code", "is not a code"),
        ("code,display,inactive\nQ1,x,perhaps\n", "row 2", "inactive", "neither yes nor no"),
        ("code,display,display\nQ1,x,x\n", "row 1", "display", "comes twice"),
        ("kode,display\nQ1,x\n", "row 1", "code", "no column for it; there are kode, display"),
        ('code,display\nQ1,"x\n', "row 2", "", "unexpected end of data"),
        ("code,display\nQ1,a\x00b\n", "row 2", "", "holds NUL"),
        (
            LADDER + "1,Q00-Q99,别的章,,,,,,,,,\n",
            "row 6",
            "章的名称",
            "called differently in row 2",
        ),
        (LADDER + LADDER.splitlines()[1], "row 6", "诊断代码", "stands in row 2 already"),
        ("", "row 1", "", "1 to 200 columns"),
    ],
)
def test_what_is_wrong_is_named_by_row_and_column(
    tmp_path: Path, text: str, place: str, field: str, wrong: str
) -> None:
    found = problems(tmp_path, text)[0]
    assert (found.place, found.field) == (place, field)
    assert wrong in found.wrong


def test_all_faults_are_told_at_once_up_to_a_limit(tmp_path: Path) -> None:
    with pytest.raises(Unreadable) as refused:
        read(tmp_path, "code,display\n" + "Q1,\n" * 317)
    assert refused.value.facts["count"] == 317
    assert len(refused.value.problems) == 100


def test_a_column_named_by_the_user_must_be_there(tmp_path: Path) -> None:
    told = Layout({"code": "Kode", "display": "Titel"})
    assert read(tmp_path, "Kode,Titel\nQ1,x\n", told)[0].code == "Q1"
    assert problems(tmp_path, "code,Titel\nQ1,x\n", told)[0].field == "Kode"


def test_what_cannot_be_decoded_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(b"code,display\nQ1,\xff\xff\xff\n")
    for layout in (Layout(), Layout(encoding="ascii"), Layout(encoding="no-such-thing")):
        with pytest.raises(Unreadable):
            list(listing.concepts(Table(path, layout))())


def test_mappings_say_how_codes_are_related_or_that_it_is_not_known(tmp_path: Path) -> None:
    text = "国临版编码,医保版编码,对应关系,医保版名称\nQ1,R1,,合成\nQ1,R2,wider,\nQ2,,,\n"
    table = Table(written(tmp_path, "map.csv", text), Layout())
    assert list(listing.entries(table)()) == [
        Entry("row 2", "Q1", "R1", "relatedto", "", "合成"),
        Entry("row 3", "Q1", "R2", "wider"),
        Entry("row 4", "Q2", "", "unmatched"),
    ]


@pytest.mark.parametrize(
    ("row", "field"),
    [(",R1,equal", "source"), ("Q1,R1,alike", "equivalence"), ("Q1,,equal", "target")],
)
def test_faults_of_mappings_are_named(tmp_path: Path, row: str, field: str) -> None:
    path = written(tmp_path, "map.csv", f"source,target,equivalence\n{row}\n")
    table = Table(path, Layout())
    assert list(listing.entries(table)()) == []
    assert [(one.place, one.field) for one in table.faults.kept] == [("row 2", field)]
