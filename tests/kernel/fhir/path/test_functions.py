from __future__ import annotations

from collections.abc import Callable

import pytest

from citycare.kernel.fhir.path import PathError, PathSyntax

Shown = Callable[..., list[str]]

EXISTENCE = [
    ("{}.empty()", ["True"]),
    ("1.empty()", ["False"]),
    ("{}.exists()", ["False"]),
    ("(1 | 2).exists($this > 1)", ["True"]),
    ("(1 | 2).exists($this > 2)", ["False"]),
    ("(1 | 2).all($this > 0)", ["True"]),
    ("(1 | 2).all($this > 1)", ["False"]),
    ("{}.all(false)", ["True"]),
    ("(true | false).allTrue()", ["False"]),
    ("(true | false).anyTrue()", ["True"]),
    ("(true | false).allFalse()", ["False"]),
    ("(true | false).anyFalse()", ["True"]),
    ("{}.allTrue() and {}.allFalse()", ["True"]),
    ("{}.anyTrue() or {}.anyFalse()", ["False"]),
    ("(1 | 2).subsetOf(1 | 2 | 3)", ["True"]),
    ("(1 | 4).subsetOf(1 | 2 | 3)", ["False"]),
    ("(1 | 2 | 3).supersetOf(1 | 2)", ["True"]),
    ("{}.subsetOf(1)", ["True"]),
    ("(1 | 2).count()", ["2"]),
    ("{}.count()", ["0"]),
    ("1.combine(1).combine(1.0).distinct()", ["1"]),
    ("1.combine(1).isDistinct()", ["False"]),
    ("true.not()", ["False"]),
    ("{}.not()", []),
]
FILTERING = [
    ("(1 | 2 | 3).where($this > 1)", ["2", "3"]),
    ("(5 | 6).where($index = 1)", ["6"]),
    ("(1 | 2).select($this + 10)", ["11", "12"]),
    ("(1 | 2).select($this.combine($this))", ["1", "1", "2", "2"]),
    ("(1 | 2).select(iif($this = 1, {}, $index))", ["1"]),
    ("1.repeat(iif($this < 4, $this + 1, {}))", ["2", "3", "4"]),
    ("3.repeat($this)", ["3"]),
    (
        "1.repeatAll(iif($this < 3, ($this + 1).combine($this + 1), {}))",
        ["2", "2", "3"] + ["3"] * 3,
    ),
    ("(1 | 'a' | 2.0).ofType(Integer)", ["1"]),
    ("(1 | 'a' | 2.0).ofType(System.Decimal)", ["2.0"]),
    ("(1 | 2 | 3).first()", ["1"]),
    ("(1 | 2 | 3).last()", ["3"]),
    ("(1 | 2 | 3).tail()", ["2", "3"]),
    ("(1 | 2 | 3).skip(1)", ["2", "3"]),
    ("(1 | 2 | 3).skip(-1)", ["1", "2", "3"]),
    ("(1 | 2 | 3).take(2)", ["1", "2"]),
    ("(1 | 2 | 3).take(0)", []),
    ("(1 | 2 | 3)[2]", ["3"]),
    ("(1 | 2 | 3)[3]", []),
    ("(1 | 2 | 3)[-1]", []),
    ("7.single()", ["7"]),
    ("(1 | 2 | 3).intersect(3 | 1)", ["1", "3"]),
    ("1.combine(1).combine(2).exclude(2)", ["1", "1"]),
    ("1.combine(1).union(2)", ["1", "2"]),
    ("iif(true, 1, 1 + 'a')", ["1"]),
    ("iif({}, 1, 2)", ["2"]),
    ("iif(false, 1)", []),
    ("(1 | 2 | 3).aggregate($total + $this, 0)", ["6"]),
    ("(4 | 9 | 2).aggregate(iif($total.empty() or $this > $total, $this, $total))", ["9"]),
    ("(2 | 3).select((10 | 20).select($this + $index))", ["10", "21", "10", "21"]),
    ("coalesce({}, 2, 3)", ["2"]),
]
STRINGS = [
    ("'abcabc'.indexOf('c')", ["2"]),
    ("'abc'.indexOf('x')", ["-1"]),
    ("'abc'.indexOf('')", ["0"]),
    ("'abcabc'.lastIndexOf('c')", ["5"]),
    ("'abcdefg'.substring(3)", ["defg"]),
    ("'abcdefg'.substring(1, 2)", ["bc"]),
    ("'abc'.substring(2, 9)", ["c"]),
    ("'abc'.substring(3)", []),
    ("'abc'.substring(-1)", []),
    ("'abc'.startsWith('')", ["True"]),
    ("'abc'.endsWith('bc')", ["True"]),
    ("'abc'.contains('x')", ["False"]),
    ("'中文Ab'.upper()", ["中文AB"]),
    ("'AB'.lower()", ["ab"]),
    ("'abc'.replace('b', 'xx')", ["axxc"]),
    ("'abc'.replace('', 'x')", ["xaxbxcx"]),
    ("'中文abc'.length()", ["5"]),
    ("'ab'.toChars()", ["a", "b"]),
    ("'  a '.trim()", ["a"]),
    ("'a,,c'.split(',')", ["a", "", "c"]),
    ("'a|b'.split('|').join('-')", ["a-b"]),
    ("{}.join(',')", []),
    ("'test'.encode('base64').decode('base64')", ["test"]),
    ("'subjects?_d'.encode('urlbase64')", ["c3ViamVjdHM_X2Q="]),
    ("'74657374'.decode('hex')", ["test"]),
    ("'<\\'\\\">'.escape('html').unescape('html')", ["<'\">"]),
    ("'a\"b'.escape('json')", ['a\\"b']),
    ("'13800001111'.matches('^1[3-9]\\\\d{9}$')", ["True"]),
    ("'x13800001111'.matchesFull('1[3-9]\\\\d{9}')", ["False"]),
    ("'2026-11-22'.replaceMatches('(\\\\d+)-(\\\\d+)-(\\\\d+)', '$3.$2.$1')", ["22.11.2026"]),
    ("'A\\nB'.matches('A.B')", ["True"]),
    ("{}.length()", []),
    ("'a'.startsWith({})", []),
]
CONVERSIONS = [
    ("'yes'.toBoolean()", ["True"]),
    ("'0.0'.toBoolean()", ["False"]),
    ("'maybe'.toBoolean()", []),
    ("2.toBoolean()", []),
    ("1.0.toBoolean()", ["True"]),
    ("'-17'.toInteger()", ["-17"]),
    ("'1.5'.toInteger()", []),
    ("1.0.toInteger()", []),
    ("true.toInteger()", ["1"]),
    ("'4294967296'.toInteger()", []),
    ("'1.50'.toDecimal()", ["1.50"]),
    ("'1e3'.toDecimal()", []),
    ("true.toDecimal()", ["1"]),
    ("1.50.toString()", ["1.50"]),
    ("true.toString()", ["true"]),
    ("(1 'mg').toString()", ["1 'mg'"]),
    ("@2012-04.toString()", ["2012-04"]),
    ("'2012-04-15'.toDate()", ["2012-04-15"]),
    ("'2012-04-15T10:00:00'.toDate()", []),
    ("@2012-04-15T10:00:00Z.toDate()", ["2012-04-15"]),
    ("'2012-13'.toDate()", []),
    ("'2012-04-15'.toDateTime()", ["2012-04-15"]),
    ("'10:30'.toTime()", ["10:30"]),
    ("'25:00'.toTime()", []),
    ("'4 days'.toQuantity()", ["4 days"]),
    ("'1.5 \\'mg\\''.toQuantity()", ["1.5 'mg'"]),
    ("'4 daze'.toQuantity()", []),
    ("(1500 'mg').toQuantity('g')", ["1.5 'g'"]),
    ("(1 'mg').toQuantity('m')", []),
    ("'yes'.convertsToBoolean()", ["True"]),
    ("'x'.convertsToInteger()", ["False"]),
    ("{}.convertsToInteger()", []),
    ("'x'.convertsToQuantity()", ["False"]),
]
MATHS = [
    ("(-5.5).abs()", ["5.5"]),
    ("(-5.5 'mg').abs()", ["5.5 'mg'"]),
    ("1.1.ceiling()", ["2"]),
    ("(-1.1).floor()", ["-2"]),
    ("(-1.56).truncate()", ["-1"]),
    ("3.14159.round(3)", ["3.142"]),
    ("2.5.round()", ["3"]),
    ("1.round(2)", ["1.00"]),
    ("0.exp()", ["1"]),
    ("1.ln()", ["0"]),
    ("0.ln()", []),
    ("16.log(2)", ["4"]),
    ("2.power(10)", ["1024"]),
    ("2.power(-1)", ["0.5"]),
    ("0.power(0)", ["1"]),
    ("(-1).power(0.5)", []),
    ("0.power(-1)", []),
    ("10.power(100000)", []),
    ("81.sqrt()", ["9"]),
    ("(-1).sqrt()", []),
    ("(1 | 2.5).sum()", ["3.5"]),
    ("{}.sum()", []),
    ("(3 | 1 | 2).min()", ["1"]),
    ("('b' | 'c').max()", ["c"]),
    ("(1 | 2).avg()", ["1.5"]),
    ("(1 'g' | 500 'mg').sum()", ["1.5 'g'"]),
    ("{}.abs()", []),
]
WRONG = [
    "(1 | 2).single()",
    "(1 | 'a').allTrue()",
    "1.length()",
    "'a'.abs()",
    "(1 'mg').ceiling()",
    "1.round(-1)",
    "(1 | 2).toInteger()",
    "(1 | 2)['a']",
    "(1 | 2).skip('a')",
    "(1 | 2).as(Integer)",
    "'a'.decode('hex')",
    "('a' | 1).sum()",
    "'a'.matches('(')",
    "1.memberOf('urn:vs')",
]
MISWRITTEN = ["1.foo()", "1.where()", "1.skip(1, 2)", "1.is(1)", "1.ofType(Foo)", "$foo"]


@pytest.mark.parametrize(
    ("expression", "expected"), EXISTENCE + FILTERING + STRINGS + CONVERSIONS + MATHS
)
def test_functions(shown: Shown, expression: str, expected: list[str]) -> None:
    assert shown(expression) == expected


@pytest.mark.parametrize("expression", WRONG)
def test_functions_refuse_what_they_do_not_work_on(shown: Shown, expression: str) -> None:
    with pytest.raises(PathError):
        shown(expression)


@pytest.mark.parametrize("expression", MISWRITTEN)
def test_calls_are_checked_before_any_data_is_seen(shown: Shown, expression: str) -> None:
    with pytest.raises(PathSyntax):
        shown(expression)
