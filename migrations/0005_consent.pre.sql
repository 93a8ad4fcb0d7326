-- kernel.consent: care relationships, break-glass with review, consent records.
CREATE SCHEMA consent;

CREATE TABLE consent.care (              -- an organisation treats a person, from when to when
    person_id uuid NOT NULL,
    organisation_id uuid NOT NULL,
    practitioner_id uuid,                -- who, where known; access is the organisation's
    source text COLLATE "C" NOT NULL CHECK (source <> ''),   -- what it follows from: 'Appointment/<id>'
    starts_at timestamptz NOT NULL,
    ends_at timestamptz NOT NULL,
    PRIMARY KEY (source, person_id),
    CHECK (ends_at >= starts_at)
);
CREATE INDEX care_person ON consent.care (person_id, organisation_id);
CREATE INDEX care_organisation ON consent.care (organisation_id, ends_at);

CREATE TABLE consent.break_glass (
    id uuid PRIMARY KEY,
    account_id uuid NOT NULL,
    person_id uuid NOT NULL,
    reason text NOT NULL CHECK (length(reason) >= 10),
    opened_at timestamptz NOT NULL,
    ends_at timestamptz NOT NULL,
    reviewed_at timestamptz,
    reviewed_by uuid,
    verdict text CHECK (verdict IN ('justified', 'unjustified')),
    note text NOT NULL DEFAULT '',
    CHECK ((reviewed_at IS NULL) = (verdict IS NULL)),
    CHECK (reviewed_by <> account_id),   -- nobody reviews their own
    CHECK (ends_at >= opened_at)
);
CREATE INDEX break_glass_open ON consent.break_glass (person_id, account_id);
CREATE INDEX break_glass_unreviewed ON consent.break_glass (opened_at, id) WHERE reviewed_at IS NULL;

CREATE TABLE consent.purpose (           -- what people are asked; a changed text is a new version
    purpose text NOT NULL,
    version integer NOT NULL CHECK (version >= 1),
    words text NOT NULL CHECK (words <> ''),
    sensitive boolean NOT NULL,          -- separate consent, PIPL art 29
    effective_from timestamptz NOT NULL,
    PRIMARY KEY (purpose, version)
);

CREATE TABLE consent.given (
    id uuid PRIMARY KEY,
    person_id uuid NOT NULL,
    purpose text NOT NULL,
    version integer NOT NULL,
    given_at timestamptz NOT NULL,
    given_by uuid,                       -- account; a guardian's for a child under 14
    withdrawn_at timestamptz,
    withdrawn_by uuid,
    FOREIGN KEY (purpose, version) REFERENCES consent.purpose (purpose, version),
    CHECK (withdrawn_at >= given_at)
);
CREATE UNIQUE INDEX given_once ON consent.given (person_id, purpose, version) WHERE withdrawn_at IS NULL;

GRANT USAGE ON SCHEMA consent TO citycare_app;
GRANT SELECT, INSERT, UPDATE ON ALL TABLES IN SCHEMA consent TO citycare_app;

INSERT INTO consent.purpose (purpose, version, words, sensitive, effective_from) VALUES
('record.share', 1, '同意为您诊疗的医疗机构在诊疗期间查看您在其他机构的病历和检查结果。您可以随时撤回,不影响挂号和就诊。', true, '2026-01-01'),
('follow_up.contact', 1, '同意医疗机构在就诊后通过短信或电话随访。您可以随时撤回,不影响挂号和就诊。', false, '2026-01-01');

INSERT INTO policy.parameter (key, effective_from, value, unit, source, status, note) VALUES
('consent.break_glass.hours', '2026-01-01', '24', 'h', '本平台自定', 'UNVERIFIED', '紧急查阅开放多久;每次都进入事后审核'),
('consent.care.before_days', '2026-01-01', '1', '天', '本平台自定', 'UNVERIFIED', '就诊前多久起可查阅'),
('consent.care.after_days', '2026-01-01', '30', '天', '本平台自定', 'UNVERIFIED', '就诊后多久内可查阅');
