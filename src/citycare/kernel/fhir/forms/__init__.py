"""FHIR forms: a Questionnaire read once, filled in, checked, drawn, kept as a response.

Card
    owns        nothing; no database, clock or network: what expressions ask is handed in
    what        R4 Questionnaire and QuestionnaireResponse; of SDC 3.0.0 enableWhenExpression,
                calculatedExpression, initialExpression, itemPopulationContext, answerExpression,
                candidateExpression, variable, launchContext, constraints, units, bounds
    not here    CQL, StructureMap population, extraction, adaptive forms, modular forms, item media
    begin       `read` → Form, or FormBroken with every problem; `begin` or `resume` → Filling
    versions    a response names `url|version`; `carry` takes the answers to another version
    faults      an expression that fails stops nobody: `Form.faults`, `Filling.faults` tell authors
    limits      5,000 items, 20 deep; 20,000 items of a response; 1,000 answers; 500 repetitions;
                200,000 evaluations a change, each bounded by `kernel.fhir.path`
    languages   texts are the form's own (zh) or its translation extension

Source: HL7 FHIR R4 4.0.1 §2.4; SDC 3.0.0 http://hl7.org/fhir/uv/sdc/STU3/.
"""

from citycare.kernel.fhir.forms.carrying import carry
from citycare.kernel.fhir.forms.extensions import said
from citycare.kernel.fhir.forms.filling import Filling, begin, resume
from citycare.kernel.fhir.forms.form import Form, Item
from citycare.kernel.fhir.forms.model import (
    NO_SOURCES,
    Answer,
    AnswerBroken,
    Bounds,
    Choice,
    Entry,
    FormBroken,
    PlaceFixed,
    PlaceUnknown,
    Problem,
    ResponseTooLong,
    Shown,
    Sources,
    Widget,
)
from citycare.kernel.fhir.forms.record import record_of
from citycare.kernel.fhir.forms.showing import flat

read = Form.of

__all__ = [
    "NO_SOURCES",
    "Answer",
    "AnswerBroken",
    "Bounds",
    "Choice",
    "Entry",
    "Filling",
    "Form",
    "FormBroken",
    "Item",
    "PlaceFixed",
    "PlaceUnknown",
    "Problem",
    "ResponseTooLong",
    "Shown",
    "Sources",
    "Widget",
    "begin",
    "carry",
    "flat",
    "read",
    "record_of",
    "resume",
    "said",
]
