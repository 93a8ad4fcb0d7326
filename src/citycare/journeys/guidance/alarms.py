"""The pre-consultation's port for what must not wait, answered by the triage's red flags."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence

from citycare.scenarios.triage.model.entries import Urgency
from citycare.scenarios.triage.model.heard import Heard, Kind, Mention, Patient, Said, When
from citycare.scenarios.triage.rules import flags
from citycare.scenarios.triage.rules.advise import Triage

ENGLISH = "en"


def alarms_of(
    triage: Callable[[], Triage],
) -> Callable[[Collection[str], float | None, str, str], Sequence[tuple[str, str]]]:
    """Return what tells, of findings that are there, age and sex, what cannot wait.

    Only red flags that call for help now; each with what to do, in the language asked for. The
    triage is called for when first needed.
    """

    def alarms(
        findings: Collection[str], age: float | None, sex: str, lang: str
    ) -> Sequence[tuple[str, str]]:
        knowledge = triage().knowledge
        known = [knowledge.finding[name] for name in sorted(findings) if name in knowledge.finding]
        mentions = [Mention(Kind.FINDING, index, Said.YES, When.NOW, "", 0) for index in known]
        heard = Heard("", mentions, Patient(age, sex, "pregnant" in findings or None))
        found = [one for one in flags.alarms(knowledge, heard) if one.urgency is Urgency.NOW]
        if lang == ENGLISH:
            by_id = {one.id: one for one in knowledge.entries.red_flags}
            return [(by_id[one.id].en, by_id[one.id].say_en) for one in found]
        return [(one.name, one.say) for one in found]

    return alarms
