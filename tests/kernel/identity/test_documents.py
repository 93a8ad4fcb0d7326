"""Document numbers: the worked examples, the traps, and properties over all numbers."""

import contextlib
from datetime import date

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from stdnum.cn import ric, uscc
from stdnum.exceptions import InvalidComponent, ValidationError

from citycare.kernel.identity.documents import (
    CharacterWrong,
    ChecksumWrong,
    CountryMissing,
    DateImpossible,
    Document,
    DocumentRefused,
    Kind,
    KindWrong,
    LengthWrong,
    Sex,
    check_character,
    convert_old,
    is_synthetic,
    mask,
    parse,
    synthetic_number,
)

days = st.dates(date(1880, 1, 1), date(2026, 11, 22))
regions = st.integers(110000, 659999).map(str)
sequences = st.integers(0, 999).map("{:03d}".format)


@st.composite
def numbers(draw: st.DrawFn) -> str:
    first_17 = draw(regions) + f"{draw(days):%Y%m%d}" + draw(sequences)
    return first_17 + check_character(first_17)


@pytest.mark.parametrize(
    ("number", "born_on", "sex"),
    [
        ("11010519491231002X", date(1949, 12, 31), Sex.FEMALE),
        ("440524188001010014", date(1880, 1, 1), Sex.MALE),
        ("310101199001010012", date(1990, 1, 1), Sex.MALE),
        ("370811198506150026", date(1985, 6, 15), Sex.FEMALE),
    ],
)
def test_the_worked_examples(number: str, born_on: date, sex: Sex) -> None:
    document = parse(Kind.RESIDENT_ID, number)
    assert document == Document(Kind.RESIDENT_ID, number)
    assert (document.born_on, document.sex) == (born_on, sex)


@pytest.mark.parametrize(
    "typed",
    ["11010519491231002x", " 110105 19491231 002X ", "110105-19491231-002X",
     "１１０１０５１９４９１２３１００２Ｘ", "11010519491231002ｘ", "11010519491231002×",
     "1101\u3000051949\u20141231002X"],
)  # fmt: skip
def test_one_card_however_it_is_typed(typed: str) -> None:
    assert parse(Kind.RESIDENT_ID, typed).number == "11010519491231002X"


@pytest.mark.parametrize(
    ("typed", "error"),
    [
        ("110105194912310021", ChecksumWrong),
        ("11010519491231002", LengthWrong),
        ("", LengthWrong),
        ("11010519491231002XX", LengthWrong),
        ("1101051949123100X2", CharacterWrong),
        ("11010519491231OO2X", CharacterWrong),
        ("11010519490229002X", DateImpossible),
        ("11010500001231002X", DateImpossible),
        ("11010518791231002X", DateImpossible),
        ("١١٠١٠٥١٩٤٩١٢٣١٠٠٢X", CharacterWrong),
    ],
)
def test_what_is_wrong_is_said(typed: str, error: type[DocumentRefused]) -> None:
    with pytest.raises(error) as raised:
        parse(Kind.RESIDENT_ID, typed)
    assert raised.value.code.startswith("identity.document_")
    assert raised.value.words.endswith("。")


def test_an_old_number_is_converted() -> None:
    assert convert_old("110105491231002") == "11010519491231002X"
    assert parse(Kind.RESIDENT_ID, "110105491231002").number == "11010519491231002X"


@pytest.mark.parametrize("region", ["810000", "820000", "830000"])
def test_a_permit_typed_as_an_identity_card_is_still_the_permit(region: str) -> None:
    first_17 = region + "19880704" + "201"
    number = first_17 + check_character(first_17)
    assert parse(Kind.RESIDENT_ID, number) == parse(Kind.HMT_RESIDENT, number)
    assert parse(Kind.RESIDENT_ID, number).kind is Kind.HMT_RESIDENT
    with pytest.raises(KindWrong):
        parse(Kind.HMT_RESIDENT, "11010519491231002X")


def test_a_foreign_residents_card_in_both_formats() -> None:
    first_17 = "931840" + "19910230"[:6] + "21" + "017"
    number = first_17 + check_character(first_17)
    assert parse(Kind.RESIDENT_ID, number).kind is Kind.FOREIGN_RESIDENT
    assert parse(Kind.FOREIGN_RESIDENT, number).born_on == date(1991, 2, 21)
    old = parse(Kind.FOREIGN_RESIDENT, "usa 3100 810704 21")
    assert (old.number, old.born_on, old.sex) == ("USA310081070421", None, None)
    with pytest.raises(KindWrong):
        parse(Kind.FOREIGN_RESIDENT, "11010519491231002X")


@pytest.mark.parametrize(
    ("kind", "typed", "number"),
    [
        (Kind.PASSPORT, "e12345678", "CHN/E12345678"),
        (Kind.PASSPORT, "EJ1234567", "CHN/EJ1234567"),
        (Kind.PASSPORT, "usa/512345678", "USA/512345678"),
        (Kind.PASSPORT, "GBR: 925 665 416", "GBR/925665416"),
        (Kind.HK_MACAO_PASS, "h12345678", "H12345678"),
        (Kind.HK_MACAO_PASS, "M1234567801", "M1234567801"),
        (Kind.TAIWAN_PASS, "12345678", "12345678"),
        (Kind.BIRTH_CERTIFICATE, "p310417094", "P310417094"),
        (Kind.USCC, "91350100m000100y43", "91350100M000100Y43"),
    ],
)
def test_the_other_documents(kind: Kind, typed: str, number: str) -> None:
    assert parse(kind, typed) == Document(kind, number)


@pytest.mark.parametrize(
    ("kind", "typed", "error"),
    [
        (Kind.PASSPORT, "512345678", CountryMissing),
        (Kind.PASSPORT, "12", LengthWrong),
        (Kind.PASSPORT, "护照12345", CharacterWrong),
        (Kind.HK_MACAO_PASS, "X12345678", CharacterWrong),
        (Kind.HK_MACAO_PASS, "H123456", LengthWrong),
        (Kind.TAIWAN_PASS, "1234567A", CharacterWrong),
        (Kind.BIRTH_CERTIFICATE, "3104170941", CharacterWrong),
        (Kind.USCC, "91350100M000100Y44", ChecksumWrong),
        (Kind.USCC, "91350100M000100O43", CharacterWrong),
        (Kind.USCC, "91350100M00010", LengthWrong),
    ],
)
def test_what_is_wrong_with_them(kind: Kind, typed: str, error: type[DocumentRefused]) -> None:
    with pytest.raises(error):
        parse(kind, typed)


@pytest.mark.parametrize(
    ("kind", "number", "shown"),
    [
        (Kind.RESIDENT_ID, "11010519491231002X", "110105********002X"),
        (Kind.PASSPORT, "USA/512345678", "USA/5*****678"),
        (Kind.TAIWAN_PASS, "12345678", "1*****78"),
        (Kind.HK_MACAO_PASS, "H12345678", "H*****678"),
    ],
)
def test_what_is_shown_of_a_number(kind: Kind, number: str, shown: str) -> None:
    assert mask(Document(kind, number)) == shown


@given(numbers(), st.integers(0, 17), st.sampled_from("0123456789X"))
def test_any_single_wrong_character_is_refused(number: str, place: int, wrong: str) -> None:
    assume(number[place] != wrong)
    with pytest.raises(DocumentRefused):
        parse(Kind.RESIDENT_ID, number[:place] + wrong + number[place + 1 :])


@given(numbers(), st.integers(0, 16))
def test_any_two_neighbours_exchanged_are_refused(number: str, place: int) -> None:
    assume(number[place] != number[place + 1])
    swapped = number[:place] + number[place + 1] + number[place] + number[place + 2 :]
    with pytest.raises(DocumentRefused):
        parse(Kind.RESIDENT_ID, swapped)


@given(numbers())
def test_a_parsed_number_parses_to_itself(number: str) -> None:
    document = parse(Kind.RESIDENT_ID, number)
    assert parse(document.kind, document.number) == document
    assert parse(Kind.RESIDENT_ID, number.lower()) == document
    assert number[6:14] not in mask(document)


@given(numbers())
def test_the_oracle_agrees_where_it_knows_the_region(number: str) -> None:
    with contextlib.suppress(InvalidComponent, KeyError):  # it stumbles over regions it lacks
        assert ric.validate(number) == parse(Kind.RESIDENT_ID, number).number
    assert ric.calc_check_digit(number) == number[-1]


@given(st.text("0123456789ABCDEFGHJKLMNPQRTUWXY", min_size=18, max_size=18))
def test_the_oracle_agrees_on_organisations(text: str) -> None:
    code = text[:17] + uscc.calc_check_digit(text[:17]) if text[2:8].isdigit() else text
    try:
        uscc.validate(code)
    except ValidationError:
        return
    assert parse(Kind.USCC, code).number == code


@given(days, st.sampled_from([Sex.MALE, Sex.FEMALE]), st.integers(0, 499))
def test_a_synthetic_number_says_what_it_was_made_from(day: date, sex: Sex, order: int) -> None:
    document = synthetic_number(day, sex, order)
    assert parse(Kind.RESIDENT_ID, document.number) == document
    assert (document.born_on, document.sex, is_synthetic(document)) == (day, sex, True)


def test_synthetic_numbers_do_not_repeat_and_have_an_end() -> None:
    day = date(1961, 4, 9)
    made = {synthetic_number(day, sex, n) for sex in (Sex.MALE, Sex.FEMALE) for n in range(500)}
    assert len(made) == 1000
    assert not is_synthetic(parse(Kind.RESIDENT_ID, "11010519491231002X"))
    for sex, order in ((Sex.MALE, 500), (Sex.MALE, -1), (Sex.UNKNOWN, 0)):
        with pytest.raises(ValueError, match="no synthetic number"):
            synthetic_number(day, sex, order)


@given(st.sampled_from(Kind), st.text(max_size=30))
def test_no_text_is_a_fault(kind: Kind, text: str) -> None:
    with contextlib.suppress(DocumentRefused):
        document = parse(kind, text)
        assert parse(document.kind, document.number) == document
