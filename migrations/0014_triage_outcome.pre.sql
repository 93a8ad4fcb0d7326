-- triage: what was found later, held against what was advised; the least of it
CREATE TABLE triage.outcome (
    dialogue_id uuid PRIMARY KEY REFERENCES triage.dialogue (id) ON DELETE CASCADE,
    looked_at timestamptz NOT NULL,
    diagnosis text,                      -- ICD-10 category of three signs; null: nothing yet
    organisation text NOT NULL DEFAULT '',  -- FHIR id of where the diagnosis was made
    department_code text NOT NULL DEFAULT '',  -- where the knowledge sends that diagnosis
    first_right boolean,
    three_right boolean,
    CHECK ((diagnosis IS NULL) = (first_right IS NULL)),
    CHECK ((first_right IS NULL) = (three_right IS NULL)),
    CHECK (NOT first_right OR three_right)
);
CREATE INDEX outcome_open ON triage.outcome (looked_at) WHERE diagnosis IS NULL;
GRANT SELECT, INSERT, UPDATE, DELETE ON triage.outcome TO citycare_app;

ALTER TABLE triage.dialogue ADD COLUMN proposed jsonb NOT NULL DEFAULT '[]'
    CHECK (jsonb_typeof(proposed) = 'array');  -- findings a language model proposes to ask for

ALTER TABLE triage.dialogue ADD COLUMN history jsonb NOT NULL DEFAULT '[]'
    CHECK (jsonb_typeof(history) = 'array');  -- lines of the record the person let the triage use

INSERT INTO policy.parameter (key, effective_from, value, unit, source, status, note) VALUES
('triage.outcome.days', '2026-01-01', '30', '天', '本平台自定', 'UNVERIFIED', '分诊后多少天内的诊断用来核对分诊对不对');
