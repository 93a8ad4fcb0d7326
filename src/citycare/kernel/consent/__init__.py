"""Who may do what to whom, and why: one policy, default deny; care, break-glass, consents.

Card
    owns        schema `consent`; the policy table is code (`policy.py`), one row an action
    tables      care, break_glass, purpose, given
    states      break_glass: open → over by time, unreviewed → justified | unjustified;
                given: in force → withdrawn
    events out  consent.glass_broken, consent.glass_reviewed, consent.given, consent.withdrawn
    events in   none; scenarios call open_care/close_care in their own transaction
    FHIR        none here
    policy      consent.break_glass.hours, consent.care.before_days, consent.care.after_days
    limits      5,000 people under care in one `visible`; pages of 200
    rows        R04 R100 R101
    rules       what the policy does not name is not allowed; not visible means not found;
                a refused attempt about a person is audited after the rollback (keep_refusals)
"""

from citycare.kernel.consent.access import (
    Claim,
    NotAllowed,
    NotVisible,
    Refusal,
    Scope,
    SignInNeeded,
    keep_refusals,
    refusals_in,
    require,
    require_many,
    visible,
    visible_of,
)
from citycare.kernel.consent.care import CareRow, care_window, close_care, open_care
from citycare.kernel.consent.given import (
    Given,
    Purpose,
    give,
    has,
    list_given,
    list_purposes,
    withdraw,
)
from citycare.kernel.consent.glass import (
    BreakGlass,
    Review,
    break_glass,
    get_break_glass,
    list_reviewed,
    list_unreviewed,
    review,
)
from citycare.kernel.consent.policy import POLICY, purpose

__all__ = [
    "POLICY",
    "BreakGlass",
    "CareRow",
    "Claim",
    "Given",
    "NotAllowed",
    "NotVisible",
    "Purpose",
    "Refusal",
    "Review",
    "Scope",
    "SignInNeeded",
    "break_glass",
    "care_window",
    "close_care",
    "get_break_glass",
    "give",
    "has",
    "keep_refusals",
    "list_given",
    "list_purposes",
    "list_reviewed",
    "list_unreviewed",
    "open_care",
    "purpose",
    "refusals_in",
    "require",
    "require_many",
    "review",
    "visible",
    "visible_of",
    "withdraw",
]
