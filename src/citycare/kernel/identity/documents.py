"""Identity documents: read what a person typed, prove its check digit, read out birth and sex.

Pure. A number is normalised before it is stored (full-width digits, spaces, `x`), so the same
card always gives the same `Document`. The region prefix is where a person was FIRST registered,
perhaps under a code long abolished: it is never a reason to refuse, and says nothing of where the
person lives or is insured.

Source: GB 11643-1999 (citizen identity number: 17 digits and an ISO 7064 MOD 11-2 check
character), GB 32100-2015 (unified social credit code); formats of permits and passports from
memory, therefore only their shape is checked (UNVERIFIED).
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from enum import StrEnum

from citycare.kit.errors import Incorrect


class Kind(StrEnum):
    """What document it is; stored as text."""

    RESIDENT_ID = "resident_id"  # 居民身份证
    FOREIGN_RESIDENT = "foreign_resident"  # 外国人永久居留身份证
    HMT_RESIDENT = "hmt_resident"  # 港澳台居民居住证
    PASSPORT = "passport"  # 护照
    HK_MACAO_PASS = "hk_macao_pass"  # noqa: S105 - 港澳居民来往内地通行证(回乡证)
    TAIWAN_PASS = "taiwan_pass"  # noqa: S105 - 台湾居民来往大陆通行证(台胞证)
    BIRTH_CERTIFICATE = "birth_certificate"  # 出生医学证明
    USCC = "uscc"  # 统一社会信用代码, organisations only


class Sex(StrEnum):
    """Administrative sex, as FHIR names it."""

    MALE = "male"
    FEMALE = "female"
    UNKNOWN = "unknown"


class DocumentRefused(Incorrect):
    """The document number cannot be right."""

    code = "identity.document_refused"
    words = "证件号码不对，请对照证件原件再看一遍。"


class LengthWrong(DocumentRefused):
    """The number has too many or too few characters."""

    code = "identity.document_length"
    words = "号码的位数不对，请对照证件数一数有没有多输或漏输。"


class CharacterWrong(DocumentRefused):
    """The number holds a character that does not belong in it."""

    code = "identity.document_character"
    words = "号码里有不该出现的字符，请只输入证件上的数字和字母。"


class ChecksumWrong(DocumentRefused):
    """The check digit does not fit the rest: a digit is mistyped."""

    code = "identity.document_checksum"
    words = "最后一位校验码不对，请对照身份证再看一遍。"


class DateImpossible(DocumentRefused):
    """The date of birth in the number is no real date, or lies ahead."""

    code = "identity.document_date"
    words = "号码里的出生日期不存在，请对照证件第7位到第14位再看一遍。"


class KindWrong(DocumentRefused):
    """The number belongs to another kind of document."""

    code = "identity.document_kind"
    words = "这个号码不像所选的证件，请看看证件类型有没有选错。"


class CountryMissing(DocumentRefused):
    """A foreign passport needs its country: numbers repeat between countries."""

    code = "identity.passport_country"
    words = "外国护照请在号码前加上签发国的三位字母，例如 USA/512345678。"


@dataclass(frozen=True, slots=True)
class Document:
    """A normalised, checked document number. Make it with `parse`."""

    kind: Kind
    number: str

    @property
    def born_on(self) -> date | None:
        """The date of birth the number carries, if it carries one."""
        return _birth(self.number) if self._speaks else None

    @property
    def sex(self) -> Sex | None:
        """The sex the number carries: odd sequence male, even female (GB 11643 §4.2.3)."""
        if not self._speaks:
            return None
        return Sex.MALE if int(self.number[16]) % 2 else Sex.FEMALE

    @property
    def _speaks(self) -> bool:
        """Tell whether it is an 18-character number that carries birth and sex."""
        return self.kind in PERSONAL_18 and len(self.number) == ID_LENGTH


PERSONAL_18 = frozenset({Kind.RESIDENT_ID, Kind.FOREIGN_RESIDENT, Kind.HMT_RESIDENT})
ID_WEIGHTS = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
ID_CHECKS = "10X98765432"
ID_LENGTH = 18
OLD_ID_LENGTH = 15
YEAR_MIN = 1880  # nobody older has ever been recorded
HMT_REGIONS = ("810000", "820000", "830000")
FOREIGN_FIRST = "9"
USCC_ALPHABET = "0123456789ABCDEFGHJKLMNPQRTUWXY"  # no I O S V Z
USCC_MODULUS = 31
SYNTHETIC_REGION = "310000"  # a province, not a county: no real person can hold it
SEQUENCES_MAX = 500  # per day of birth and sex
_GAPS = re.compile(r"[\s\-\u2010-\u2015·.]+")


def normalise(text: str) -> str:
    """Fold full-width characters, drop gaps and dashes, write letters as capitals."""
    folded = unicodedata.normalize("NFKC", text).replace("×", "X")
    return _GAPS.sub("", folded).upper()


def parse(kind: Kind, text: str) -> Document:
    """Read a document number as typed.

    The kind may come out more exact than it went in: 18 digits beginning with 9 are a foreign
    permanent resident's card and 810000/820000/830000 a Hong Kong, Macao or Taiwan resident's
    permit, also when the person chose "identity card". One card is then one document.

    Raises:
        DocumentRefused: one of its subclasses, each with its own code and words.

    Source: GB 11643-1999; which numbers begin how, from memory (UNVERIFIED).
    """
    if kind is Kind.PASSPORT:
        return Document(kind, _passport(text))
    return READERS[kind](normalise(text))


def _resident_18(text: str) -> Document:
    """Check the 18 characters; tell the kind by the first digits."""
    if len(text) == OLD_ID_LENGTH and text.isascii() and text.isdigit():
        text = convert_old(text)
    if len(text) != ID_LENGTH:
        raise LengthWrong(length=len(text))
    if not re.fullmatch(r"[0-9]{17}[0-9X]", text, re.ASCII):
        raise CharacterWrong
    _birth(text)
    if text[-1] != check_character(text[:17]):
        raise ChecksumWrong
    if text[0] == FOREIGN_FIRST:
        return Document(Kind.FOREIGN_RESIDENT, text)
    if text[:6] in HMT_REGIONS:
        return Document(Kind.HMT_RESIDENT, text)
    return Document(Kind.RESIDENT_ID, text)


def _birth(number: str) -> date:
    """Read positions 7 to 14 as a date that exists."""
    try:
        born = date(int(number[6:10]), int(number[10:12]), int(number[12:14]))
    except ValueError as error:
        raise DateImpossible from error
    if born.year < YEAR_MIN:
        raise DateImpossible(year=born.year)
    return born


def check_character(first_17: str) -> str:
    """Return the check character of 17 digits: `"10X98765432"[Σ digit·weight mod 11]`.

    Source: GB 11643-1999 §4.2.4, ISO 7064 MOD 11-2.
    """
    total = sum(int(digit) * weight for digit, weight in zip(first_17, ID_WEIGHTS, strict=True))
    return ID_CHECKS[total % 11]


def convert_old(fifteen: str) -> str:
    """Turn a 15-digit number (not valid since 2013-01-01) into its 18 characters.

    Source: 居民身份证法; `19` after digit 6, then the check character: from memory (UNVERIFIED).
    """
    seventeen = fifteen[:6] + "19" + fifteen[6:]
    return seventeen + check_character(seventeen)


def _hmt(text: str) -> Document:
    document = _resident_18(text)
    if document.kind is not Kind.HMT_RESIDENT:
        raise KindWrong(kind=document.kind)
    return document


def _foreign(text: str) -> Document:
    """Read the 2023 card (18 digits from 9) or the older one (3 letters, 12 digits)."""
    if re.fullmatch(r"[A-Z]{3}[0-9]{12}", text, re.ASCII):
        return Document(Kind.FOREIGN_RESIDENT, text)
    document = _resident_18(text)
    if document.kind is not Kind.FOREIGN_RESIDENT:
        raise KindWrong(kind=document.kind)
    return document


CHINESE_PASSPORT = re.compile(r"E[A-HJ-NP-Z]?[0-9]{7,8}|[DGPS][EP]?[0-9]{7,8}", re.ASCII)
FOREIGN_PASSPORT = re.compile(r"([A-Z]{3})[/:]([A-Z0-9]{5,9})", re.ASCII)


def _passport(text: str) -> str:
    """Write a passport as `CCC/number`; only a Chinese-looking one may leave its country out.

    Source: ICAO Doc 9303 part 4 (number up to 9 characters, three-letter state code).
    """
    number = normalise(text)
    found = FOREIGN_PASSPORT.fullmatch(number)
    if found:
        return f"{found[1]}/{found[2]}"
    if CHINESE_PASSPORT.fullmatch(number) and len(number) == len("E12345678"):
        return f"CHN/{number}"
    if not re.fullmatch(r"[A-Z0-9/:]+", number, re.ASCII):
        raise CharacterWrong
    if re.fullmatch(r"[A-Z0-9]{5,9}", number, re.ASCII):
        raise CountryMissing
    raise LengthWrong(length=len(number))


def _shape(kind: Kind, pattern: str, *lengths: int) -> Callable[[str], Document]:
    """Build a reader that knows only the shape of a number."""
    compiled = re.compile(pattern, re.ASCII)

    def read(text: str) -> Document:
        if len(text) not in lengths:
            raise LengthWrong(length=len(text))
        if not compiled.fullmatch(text):
            raise CharacterWrong
        return Document(kind, text)

    return read


def _uscc(text: str) -> Document:
    """Check a unified social credit code.

    Source: GB 32100-2015 §5: weights 3^(i−1) mod 31, check = (31 − Σ mod 31) mod 31.
    """
    if len(text) != ID_LENGTH:
        raise LengthWrong(length=len(text))
    if any(character not in USCC_ALPHABET for character in text):
        raise CharacterWrong
    total = sum(
        USCC_ALPHABET.index(character) * pow(3, position, USCC_MODULUS)
        for position, character in enumerate(text[:17])
    )
    if text[-1] != USCC_ALPHABET[-total % USCC_MODULUS]:
        raise ChecksumWrong
    return Document(Kind.USCC, text)


READERS: dict[Kind, Callable[[str], Document]] = {
    Kind.RESIDENT_ID: _resident_18,
    Kind.FOREIGN_RESIDENT: _foreign,
    Kind.HMT_RESIDENT: _hmt,
    # 11 characters on cards before 2012 end in a count of renewals; kept as printed, because a
    # number that is too long only misses a match, and a wrong cut would join two people.
    Kind.HK_MACAO_PASS: _shape(Kind.HK_MACAO_PASS, r"[HM]([0-9]{8}|[0-9]{10})", 9, 11),
    Kind.TAIWAN_PASS: _shape(Kind.TAIWAN_PASS, r"[0-9]{8}([0-9]{2}[A-Z]?)?", 8, 10, 11),
    Kind.BIRTH_CERTIFICATE: _shape(Kind.BIRTH_CERTIFICATE, r"[A-Z][0-9]{9}", 10),
    Kind.USCC: _uscc,
}
assert set(READERS) | {Kind.PASSPORT} == set(Kind)


def mask(document: Document) -> str:
    """Show enough to recognise one's own document: `110105********002X`.

    Source: GB/T 35273-2020 §8.2 asks for masking on display (UNVERIFIED).
    """
    number = document.number
    if len(number) == ID_LENGTH:
        return number[:6] + "*" * 8 + number[14:]
    country, slash, rest = number.rpartition("/")
    shown = 3 if len(rest) > len("12345678") else 2
    return country + slash + rest[:1] + "*" * (len(rest) - 1 - shown) + rest[-shown:]


def synthetic_number(born_on: date, sex: Sex, sequence: int) -> Document:
    """Make a resident number for an invented person: valid check, region nobody can have.

    Args:
        born_on: any date from 1880.
        sex: male or female; it sets the parity.
        sequence: 0..499 for each day and sex.
    """
    if not 0 <= sequence < SEQUENCES_MAX or sex is Sex.UNKNOWN:
        raise ValueError(f"no synthetic number for sequence {sequence}, sex {sex}")
    order = 2 * sequence + (1 if sex is Sex.MALE else 0)
    first_17 = f"{SYNTHETIC_REGION}{born_on:%Y%m%d}{order:03d}"
    return Document(Kind.RESIDENT_ID, first_17 + check_character(first_17))


def is_synthetic(document: Document) -> bool:
    """Tell whether the number is one of our invented people's."""
    return document.kind is Kind.RESIDENT_ID and document.number.startswith(SYNTHETIC_REGION)
