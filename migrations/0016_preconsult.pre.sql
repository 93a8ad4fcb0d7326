-- preconsult: what a patient tells before the visit, and what the doctor made of it.
CREATE SCHEMA preconsult;
CREATE TABLE preconsult.interview (
    appointment_id uuid PRIMARY KEY,     -- one interview a visit, however often it is opened
    person_id uuid NOT NULL,
    questionnaire text NOT NULL CHECK (questionnaire <> ''),  -- canonical: url|version
    response jsonb NOT NULL CHECK (jsonb_typeof(response) = 'object'),    -- QuestionnaireResponse
    provenance jsonb NOT NULL CHECK (jsonb_typeof(provenance) = 'object'), -- place → who said so
    told jsonb NOT NULL CHECK (jsonb_typeof(told) = 'object'),  -- what the triage knew
    state text NOT NULL CHECK (state IN ('draft', 'completed', 'accepted', 'edited', 'rejected')),
    revision integer NOT NULL DEFAULT 1 CHECK (revision > 0),   -- of what the doctor reads
    seconds integer NOT NULL DEFAULT 0 CHECK (seconds >= 0),    -- the patient spent on it
    answered_by text NOT NULL DEFAULT '' CHECK (answered_by IN ('', 'self', 'proxy', 'clerk')),
    sent jsonb,                          -- the response as the doctor reads it
    sent_provenance jsonb,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL CHECK (updated_at >= created_at),
    completed_at timestamptz,            -- sent to the doctor for the first time
    CHECK ((state = 'draft') = (completed_at IS NULL)),
    CHECK ((completed_at IS NULL) = (sent IS NULL)),
    CHECK ((sent IS NULL) = (sent_provenance IS NULL))
);
CREATE INDEX interview_questionnaire ON preconsult.interview (questionnaire);

CREATE TABLE preconsult.review (
    id uuid PRIMARY KEY,                 -- the key of the form: sent twice it is one review
    appointment_id uuid NOT NULL REFERENCES preconsult.interview (appointment_id) ON DELETE CASCADE,
    account_id uuid,
    reviewer text NOT NULL,              -- name, as it was
    decision text NOT NULL CHECK (decision IN ('accepted', 'edited', 'rejected')),
    reason text NOT NULL DEFAULT '' CHECK (length(reason) <= 500),
    offered text NOT NULL,
    kept text NOT NULL CHECK (length(kept) <= 20000),
    difference text NOT NULL,            -- unified diff, offered to kept
    chars_kept integer NOT NULL CHECK (chars_kept >= 0),
    seconds_saved integer NOT NULL CHECK (seconds_saved >= 0),
    decided_at timestamptz NOT NULL,
    CHECK ((decision = 'rejected') = (kept = '')),
    CHECK (decision <> 'accepted' OR difference = '')
);
CREATE INDEX review_appointment ON preconsult.review (appointment_id, decided_at);
CREATE INDEX review_day ON preconsult.review (decided_at);

CREATE TABLE preconsult.ordered (
    appointment_id uuid NOT NULL REFERENCES preconsult.interview (appointment_id) ON DELETE CASCADE,
    suggestion text NOT NULL,
    test text NOT NULL,
    account_id uuid,
    ordered_at timestamptz NOT NULL,
    PRIMARY KEY (appointment_id, suggestion, test)
);

GRANT USAGE ON SCHEMA preconsult TO citycare_app;
GRANT SELECT, INSERT, UPDATE ON preconsult.interview TO citycare_app;
GRANT SELECT, INSERT ON preconsult.review, preconsult.ordered TO citycare_app;

INSERT INTO policy.parameter (key, effective_from, value, unit, source, status, note) VALUES
('preconsult.told.days', '2026-01-01', '30', '天', '本平台自定', 'UNVERIFIED', '多少天以内的导诊回答带进诊前问卷'),
('preconsult.typing.chars_per_min', '2026-01-01', '40', '字/min', '本平台自定，待用实测代替', 'UNVERIFIED', '估算省下的书写时间：医生每分钟录入多少字');
