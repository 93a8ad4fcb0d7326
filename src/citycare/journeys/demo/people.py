"""Families: households of one or two roofs, ages that add up, guardians and proxies.

Streams: nothing is kept but the counters that make numbers unique, so a million residents take
the memory of a few families. The order is fixed; the same seed gives the same people.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import date, time, timedelta
from itertools import accumulate
from random import Random

from citycare.journeys.demo import catalogue
from citycare.journeys.demo.model import Family, Resident
from citycare.journeys.demo.numbers import Births, dice, mobile
from citycare.kernel.identity.documents import Sex
from citycare.kernel.identity.model import Person, ProxyScope, Relation, RelationKind
from citycare.kit import clock, ids

AGES_ON = date(2026, 11, 1)  # ages are those of this day, so that ids never move
ADULT = 18  # 民法典 art. 17: under 18 a guardian acts
ELDER = 60  # 老年人权益保障法 art. 2
ELDER_ERA = 1966
YOUNG_ERA = 1992
OWN_PHONE_AGE = 12
SECOND_CHILD_PERCENT = 12
SEXES = (Sex.MALE, Sex.FEMALE)
REGISTERED_AT = clock.at(date(2025, 9, 1), time(9))
BOOK = (ProxyScope.BOOKING,)
BOOK_AND_READ = (ProxyScope.BOOKING, ProxyScope.RECORD)
GUARDIAN_SCOPES = tuple(ProxyScope)


@dataclass(slots=True)
class _Maker:
    """The state of one run: dice, numbers handed out, people so far."""

    dice: Random
    births: Births
    made: int = 0
    residents: list[Resident] = field(default_factory=list)
    relations: list[Relation] = field(default_factory=list)

    def chance(self, percent: float) -> bool:
        """Throw the dice."""
        return self.dice.random() * 100 < percent

    def home(self) -> tuple[str, str]:
        """Choose a district and a road; never a house number."""
        found = self.dice.choices(DISTRICT_CODES, cum_weights=DISTRICT_WEIGHTS)[0]
        name, roads = PLACES[found]
        return found, name + self.dice.choice(roads)

    def person(self, age: int, sex: Sex, surname: int, home: tuple[str, str]) -> Person:
        """Make a person of an age (full years on AGES_ON)."""
        days = self.dice.randrange(365) + 1
        born_on = AGES_ON - timedelta(days=age * 365 + age // 4 + days)
        signs, pinyin = given_name(self.dice, born_on.year, sex)
        family, family_pinyin = catalogue.names().surnames[surname]
        has_phone = age >= OWN_PHONE_AGE and not (age > 72 and self.chance(15))  # noqa: PLR2004
        self.made += 1
        person = Person(
            id=ids.derive("demo", "person", self.made),
            name=family + signs,
            name_pinyin=family_pinyin.replace(" ", "") + pinyin[0],
            name_initials="".join(word[0] for word in family_pinyin.split()) + pinyin[1],
            sex=sex,
            born_on=born_on,
            phone=mobile(self.made) if has_phone else None,
            district=home[0],
            address=home[1],
            created_at=REGISTERED_AT,
        )
        self.residents.append(Resident(person, self.births.number(born_on, sex)))
        return person

    def surname(self) -> int:
        """Choose a surname, by its place in the list."""
        return self.dice.choices(SURNAMES, cum_weights=SURNAME_WEIGHTS)[0]

    def relate(
        self, person: Person, proxy: Person, kind: RelationKind, scopes: tuple[ProxyScope, ...]
    ) -> None:
        """Let `proxy` act for `person`; some delegations end within the coming year."""
        ends_on = None
        if kind is RelationKind.GUARDIAN:
            ends_on = _birthday(person.born_on, ADULT)
        elif self.chance(25):
            ends_on = AGES_ON + timedelta(days=self.dice.randrange(90, 400))
        self.relations.append(
            Relation(
                id=ids.derive("demo", "relation", person.id, proxy.id),
                person_id=person.id,
                proxy_id=proxy.id,
                kind=kind,
                scopes=scopes,
                starts_at=REGISTERED_AT,
                ends_at=clock.at(ends_on, time.min) if ends_on else None,
                evidence="示例数据",
            )
        )

    def children(self, parents: list[Person], ages: list[int], surname: int) -> None:
        """Add children under the parents' roof; every minor gets all parents as guardians."""
        home = (parents[0].district or "", parents[0].address)
        for age in ages:
            child = self.person(age, self.dice.choice(SEXES), surname, home)
            if age < ADULT:
                for parent in parents:
                    self.relate(child, parent, RelationKind.GUARDIAN, GUARDIAN_SCOPES)

    def couple(self, age: int, surname: int, home: tuple[str, str]) -> list[Person]:
        """Make a couple, the wife some years younger or older; some book for one another."""
        husband = self.person(age, Sex.MALE, surname, home)
        wife = self.person(
            max(22, age + self.dice.randint(-4, 2)), Sex.FEMALE, self.surname(), home
        )
        if self.chance(30):
            self.relate(husband, wife, RelationKind.SPOUSE, BOOK)
            self.relate(wife, husband, RelationKind.SPOUSE, BOOK)
        return [husband, wife]


def _birthday(born_on: date, years: int) -> date:
    """Return the birthday some years later; of 29 February, 1 March in common years."""
    try:
        return born_on.replace(year=born_on.year + years)
    except ValueError:
        return date(born_on.year + years, 3, 1)


def _districts() -> tuple[list[str], list[int]]:
    found = catalogue.districts()
    return [d.code for d in found], list(accumulate(d.weight for d in found))


DISTRICT_CODES, DISTRICT_WEIGHTS = _districts()
PLACES = {d.code: (d.name, catalogue.roads()[d.code]) for d in catalogue.districts()}
SURNAMES = range(len(catalogue.names().surnames))
SURNAME_WEIGHTS = list(accumulate(catalogue.names().weights))


def given_name(dice: Random, year: int, sex: Sex) -> tuple[str, tuple[str, str]]:
    """Put a given name together from characters of the generation.

    Returns it, and how it sounds: pinyin without gaps, and initials (as `identity.names`).
    """
    era = "elder" if year < ELDER_ERA else "middle" if year < YOUNG_ERA else "young"
    signs = catalogue.names().given[era][sex]
    first, first_pinyin = dice.choice(signs)
    if dice.random() < (0.3 if era == "middle" else 0.1):
        return first, (first_pinyin, first_pinyin[0])
    second, second_pinyin = dice.choice(signs)
    sound = first_pinyin + second_pinyin
    return first + second, (sound, first_pinyin[0] + second_pinyin[0])


def _child_ages(maker: _Maker, mother_age: int, percent: float) -> list[int]:
    if not maker.chance(percent):
        return []
    first = mother_age - maker.dice.randint(24, 33)
    if first < 0:
        return []
    second = first - maker.dice.randint(2, 6)
    both = second >= 0 and maker.chance(SECOND_CHILD_PERCENT)
    return [first, second] if both else [first]


def _three_generations(maker: _Maker) -> None:
    """An elder couple, their grown child with a family under another or the same roof."""
    surname, home = maker.surname(), maker.home()
    age = int(maker.dice.triangular(60, 84, 66))
    elders = maker.couple(age, surname, home)
    grown = max(25, age - 4 - maker.dice.randint(22, 30))
    child_home = home if maker.chance(30) else maker.home()
    pair = maker.couple(grown, surname, child_home)
    own = pair[0]
    for elder in elders:
        if elder.born_on.year < AGES_ON.year - ELDER and maker.chance(70):
            scopes = BOOK_AND_READ if maker.chance(25) else BOOK
            maker.relate(elder, own, RelationKind.CHILD, scopes)
    maker.children(pair, _child_ages(maker, grown - 1, 90), surname)


def _couple(maker: _Maker) -> None:
    surname = maker.surname()
    age = int(maker.dice.triangular(26, 48, 36))
    pair = maker.couple(age, surname, maker.home())
    maker.children(pair, _child_ages(maker, age - 2, 90), surname)


def _single(maker: _Maker) -> None:
    age = int(maker.dice.triangular(18, 56, 24))
    maker.person(age, maker.dice.choice(SEXES), maker.surname(), maker.home())


def _grown_child_at_home(maker: _Maker) -> None:
    surname = maker.surname()
    age = maker.dice.randint(46, 59)
    pair = maker.couple(age, surname, maker.home())
    maker.children(pair, [age - maker.dice.randint(25, 32)], surname)


def _elder_couple(maker: _Maker) -> None:
    """A couple in its sixties or seventies whose grown child lives alone elsewhere."""
    surname = maker.surname()
    age = int(maker.dice.triangular(59, 76, 66))
    elders = maker.couple(age, surname, maker.home())
    child = maker.person(
        age - 4 - maker.dice.randint(23, 32), maker.dice.choice(SEXES), surname, maker.home()
    )
    for elder in elders:
        if elder.born_on.year < AGES_ON.year - ELDER and maker.chance(65):
            maker.relate(elder, child, RelationKind.CHILD, BOOK)


def _old_age(maker: _Maker) -> None:
    """One very old person, cared for by a grown child who lives elsewhere."""
    surname = maker.surname()
    age = int(maker.dice.triangular(72, 98, 78))
    sex = Sex.FEMALE if maker.chance(62) else Sex.MALE
    elder = maker.person(age, sex, surname, maker.home())
    child = maker.person(
        age - maker.dice.randint(24, 32), maker.dice.choice(SEXES), surname, maker.home()
    )
    if maker.chance(85):
        scopes = BOOK_AND_READ if maker.chance(40) else BOOK
        maker.relate(elder, child, RelationKind.CHILD, scopes)


def _one_parent(maker: _Maker) -> None:
    surname = maker.surname()
    age = maker.dice.randint(30, 46)
    parent = maker.person(age, Sex.FEMALE, surname, maker.home())
    maker.children([parent], [age - maker.dice.randint(24, 29)], surname)


SHAPES: tuple[tuple[Callable[[_Maker], None], int], ...] = (
    (_three_generations, 22),
    (_elder_couple, 18),
    (_couple, 20),
    (_single, 46),
    (_grown_child_at_home, 30),
    (_old_age, 19),
    (_one_parent, 5),
)


def families(count: int, births: Births | None = None) -> Iterator[Family]:
    """Stream families until exactly `count` residents have been made.

    The last family is cut short to a person living alone, so that the number comes out.
    """
    maker = _Maker(dice("people"), births or Births())
    shapes = [shape for shape, _ in SHAPES]
    weights = list(accumulate(weight for _, weight in SHAPES))
    while maker.made < count:
        left = count - maker.made
        shape = maker.dice.choices(shapes, cum_weights=weights)[0]
        (shape if left >= 6 else _single)(maker)  # noqa: PLR2004 - the largest family has six
        yield Family(tuple(maker.residents), tuple(maker.relations))
        maker.residents.clear()
        maker.relations.clear()
