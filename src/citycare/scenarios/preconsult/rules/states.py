"""How far an interview may go, and until when its patient may change it."""

from __future__ import annotations

from citycare.scenarios.preconsult.model import State

REVIEWED = frozenset({State.ACCEPTED, State.EDITED, State.REJECTED})
NEXT: dict[State, frozenset[State]] = {
    State.DRAFT: frozenset({State.COMPLETED}),
    State.COMPLETED: REVIEWED | {State.COMPLETED},
    State.ACCEPTED: REVIEWED,
    State.EDITED: REVIEWED,
    State.REJECTED: REVIEWED,
}
COMING = frozenset({"booked", "arrived", "checked-in", "pending", "proposed"})


def may_answer(status: str, state: State) -> bool:
    """Tell whether the patient may still answer: the visit is to come, and nobody has decided.

    Args:
        status: of the Appointment.
        state: of the interview.

    Source: ours; HL7 FHIR R4 AppointmentStatus.
    """
    return status in COMING and state not in REVIEWED
