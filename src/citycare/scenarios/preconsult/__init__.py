"""Pre-consultation 预问诊: the patient answers before the visit, the doctor reads and decides.

Card
    owns        schema `preconsult`; the questionnaires in `knowledge/questionnaires/` (data,
                reviewed by clinicians)
    states      draft → completed (sent to the doctor; may be changed and sent again until the
                visit is reviewed) → accepted | edited | rejected; a review may be made again
    tables      interview, review, ordered
    FHIR        QuestionnaireResponse when sent (who said what as an extension of the answers);
                Composition when a doctor takes the text over; ServiceRequest for each test a
                doctor orders. Reads Appointment, HealthcareService, Patient, what the record
                holds, and the triage's QuestionnaireResponse
    events out  none
    events in   none
    policy      preconsult.told.days, preconsult.typing.chars_per_min
    port        `app.state.preconsult_alarms`: findings that are there → what must not wait
    limits      a text of 20,000 characters; 20 ticked tests a form; forms as `kernel.fhir.forms`
    rules       what was not answered is not told; every sentence leads to its answers; the
                record fills a yes, never a no; nothing is ordered unless a doctor orders it
    rows        R13
"""
