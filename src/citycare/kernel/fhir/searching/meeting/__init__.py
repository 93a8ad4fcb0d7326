"""Whether a resource meets a criterion, decided on the resource itself.

The index finds candidates (`keys`, `measures`); where it is coarser than the rule (`coarse`), each
is rechecked with `meets`. What R4 leaves open:

    any value asked for and any value of the resource is enough; `:not` asks that none meets, so it
        holds also where there is none
    gt, lt, ge, le, sa, eb of a number know no implied precision on either side; eq and ne have it
        on both; of ap the search brings its span
    ge and le of dates count a value that overlaps the span at all, gt and lt one that reaches
        beyond it
    quantities are converted where both sides are UCUM; of `||mg` the code or the unit as written
        counts; what cannot be converted is not met, by no prefix
    a reference leads to a resource whatever version it names

Source: HL7 FHIR R4 4.0.1 §3.1.1.4 search parameters.
"""

from citycare.kernel.fhir.searching.meeting.coarse import coarse, doubtful, resolves
from citycare.kernel.fhir.searching.meeting.criteria import meets

__all__ = ["coarse", "doubtful", "meets", "resolves"]
