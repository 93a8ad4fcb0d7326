-- kernel.identity: people and their documents, relations, organisations, practitioners, accounts.
CREATE SCHEMA identity;

CREATE TABLE identity.person (
    id uuid PRIMARY KEY,
    name text NOT NULL CHECK (name <> ''),
    name_pinyin text NOT NULL DEFAULT '',    -- 'zhangsan': no tones, no spaces
    name_initials text NOT NULL DEFAULT '',  -- 'zs'
    sex text NOT NULL CHECK (sex IN ('male', 'female', 'unknown')),
    born_on date NOT NULL,
    phone text,
    district text,                       -- GB/T 2260 code of where the person lives
    address text NOT NULL DEFAULT '',
    created_at timestamptz NOT NULL,
    merged_into uuid REFERENCES identity.person (id),   -- always a person not merged itself
    CHECK (merged_into <> id)
);
CREATE INDEX person_phone_tail ON identity.person (reverse(phone) text_pattern_ops) WHERE phone IS NOT NULL;
CREATE INDEX person_name ON identity.person (name text_pattern_ops, id);
CREATE INDEX person_pinyin ON identity.person (name_pinyin text_pattern_ops, id);
CREATE INDEX person_initials ON identity.person (name_initials, id);
CREATE INDEX person_born ON identity.person (born_on);
CREATE INDEX person_merged ON identity.person (merged_into) WHERE merged_into IS NOT NULL;

CREATE TABLE identity.document (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    kind text NOT NULL,                  -- see kernel/identity/documents.py, Kind
    number text NOT NULL,                -- normalised
    person_id uuid NOT NULL REFERENCES identity.person (id),
    verified_at timestamptz,             -- real-name check done; only these match deterministically
    verified_by text,
    ended_at timestamptz,
    CHECK ((verified_at IS NULL) = (verified_by IS NULL))
);
-- Only verified documents are unique: an unproven claim must not lock the true holder out.
CREATE UNIQUE INDEX document_once ON identity.document (kind, number)
    WHERE ended_at IS NULL AND verified_at IS NOT NULL;
CREATE INDEX document_number ON identity.document (number);
CREATE INDEX document_person ON identity.document (person_id);

CREATE TABLE identity.proposal (         -- probabilistic match: only proposes
    id uuid PRIMARY KEY,
    left_id uuid NOT NULL REFERENCES identity.person (id),
    right_id uuid NOT NULL REFERENCES identity.person (id),
    weight numeric(6, 3) NOT NULL,
    reasons jsonb NOT NULL,
    state text NOT NULL DEFAULT 'open' CHECK (state IN ('open', 'merged', 'rejected')),
    created_at timestamptz NOT NULL,
    decided_at timestamptz,
    decided_by uuid,
    CHECK (left_id < right_id),
    UNIQUE (left_id, right_id)
);
CREATE INDEX proposal_open ON identity.proposal (weight DESC, id) WHERE state = 'open';

CREATE TABLE identity.merge (
    id uuid PRIMARY KEY,
    kept_id uuid NOT NULL REFERENCES identity.person (id),
    merged_id uuid NOT NULL REFERENCES identity.person (id),
    moved jsonb NOT NULL,                -- ids of the rows that moved, by table, to put them back
    reason text NOT NULL CHECK (reason <> ''),
    merged_at timestamptz NOT NULL,
    merged_by uuid,
    undone_at timestamptz,
    undone_by uuid
);
CREATE INDEX merge_kept ON identity.merge (kept_id);
CREATE INDEX merge_merged ON identity.merge (merged_id);

CREATE TABLE identity.merge_block (      -- something is going on (a visit is open): no merge now
    person_id uuid NOT NULL REFERENCES identity.person (id),
    source text NOT NULL,
    PRIMARY KEY (person_id, source)
);

CREATE TABLE identity.relation (         -- proxy_id may act for person_id (R08)
    id uuid PRIMARY KEY,
    person_id uuid NOT NULL REFERENCES identity.person (id),
    proxy_id uuid NOT NULL REFERENCES identity.person (id),
    kind text NOT NULL CHECK (kind IN ('guardian', 'spouse', 'child', 'relative', 'friend', 'family_doctor', 'community_worker')),
    scopes text[] NOT NULL CHECK (cardinality(scopes) > 0),   -- 'booking', 'record', ...
    starts_at timestamptz NOT NULL,
    ends_at timestamptz,
    evidence text NOT NULL DEFAULT '',
    CHECK (person_id <> proxy_id),
    CHECK (ends_at >= starts_at)         -- equal: taken back in the instant it was made
);
CREATE INDEX relation_proxy ON identity.relation (proxy_id);
CREATE INDEX relation_person ON identity.relation (person_id);

CREATE TABLE identity.organisation (
    id uuid PRIMARY KEY,
    uscc text UNIQUE,                    -- GB 32100
    name text NOT NULL UNIQUE,
    short_name text NOT NULL,
    nicknames text[] NOT NULL DEFAULT '{}',
    kind text NOT NULL CHECK (kind IN ('hospital', 'community_centre', 'emergency_centre', 'commission')),
    level text NOT NULL DEFAULT '',      -- 三级甲等 ...
    district text NOT NULL,              -- GB/T 2260
    address text NOT NULL DEFAULT '',
    phone text NOT NULL DEFAULT '',
    latitude double precision,           -- GCJ-02
    longitude double precision,
    parent_id uuid REFERENCES identity.organisation (id)   -- medical union lead, or district commission
);

CREATE TABLE identity.department (
    id uuid PRIMARY KEY,
    organisation_id uuid NOT NULL REFERENCES identity.organisation (id),
    code text NOT NULL,                  -- 《医疗机构诊疗科目名录》, kernel/identity/specialties.csv
    name text NOT NULL,
    place text NOT NULL DEFAULT '',      -- building and floor
    UNIQUE (organisation_id, name)
);

CREATE TABLE identity.practitioner (
    id uuid PRIMARY KEY,
    person_id uuid REFERENCES identity.person (id),
    name text NOT NULL,
    name_pinyin text NOT NULL DEFAULT '',
    sex text NOT NULL DEFAULT 'unknown' CHECK (sex IN ('male', 'female', 'unknown')),
    title text NOT NULL DEFAULT '',      -- 主任医师 ...
    good_at text NOT NULL DEFAULT '',
    licence text UNIQUE                  -- hospital's own staff number or licence
);
CREATE INDEX practitioner_person ON identity.practitioner (person_id) WHERE person_id IS NOT NULL;
CREATE TABLE identity.practitioner_role (
    practitioner_id uuid NOT NULL REFERENCES identity.practitioner (id),
    department_id uuid NOT NULL REFERENCES identity.department (id),
    PRIMARY KEY (practitioner_id, department_id)
);
CREATE INDEX practitioner_role_department ON identity.practitioner_role (department_id);

CREATE TABLE identity.account (
    id uuid PRIMARY KEY,
    issuer text NOT NULL,
    subject text NOT NULL,
    person_id uuid REFERENCES identity.person (id),
    practitioner_id uuid REFERENCES identity.practitioner (id),
    name text NOT NULL,
    totp_secret text                     -- staff second factor (RFC 6238), sealed by kit.keyring
        CHECK (totp_secret LIKE '%.%.%.%'),
    totp_last_step bigint,               -- a code works once
    totp_failures smallint NOT NULL DEFAULT 0,
    totp_locked_until timestamptz,
    disabled_at timestamptz,
    UNIQUE (issuer, subject)
);
CREATE INDEX account_person ON identity.account (person_id);

-- An account with a person is a resident without a row here; the rows are what staff may act as.
CREATE TABLE identity.account_grant (
    account_id uuid NOT NULL REFERENCES identity.account (id),
    role text NOT NULL CHECK (role IN ('resident', 'clinician', 'scheduler', 'clerk', 'community_gp', 'operator', 'system')),
    organisation_id uuid REFERENCES identity.organisation (id)
);
CREATE UNIQUE INDEX account_grant_once ON identity.account_grant (account_id, role, organisation_id) NULLS NOT DISTINCT;

CREATE TABLE identity.session (
    token_hash bytea PRIMARY KEY,        -- sha256 of the token; the token itself is never stored
    id uuid NOT NULL UNIQUE,
    account_id uuid NOT NULL REFERENCES identity.account (id),
    created_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    second_factor_at timestamptz,
    revoked_at timestamptz,
    device text NOT NULL DEFAULT '',
    CHECK (expires_at > created_at)
);
CREATE INDEX session_account ON identity.session (account_id);
CREATE INDEX session_expires ON identity.session (expires_at);

GRANT USAGE ON SCHEMA identity TO citycare_app;
GRANT SELECT, INSERT, UPDATE ON ALL TABLES IN SCHEMA identity TO citycare_app;
GRANT DELETE ON identity.account_grant, identity.practitioner_role, identity.merge_block, identity.session TO citycare_app;

INSERT INTO policy.parameter (key, effective_from, value, unit, source, status, note) VALUES
('identity.guardian.age', '2021-11-01', '14', '岁', '个人信息保护法第三十一条:不满十四周岁未成年人', 'VERIFIED', ''),
('identity.adult.age', '2021-01-01', '18', '岁', '民法典第十七条', 'UNVERIFIED', '凭记忆;监护关系默认到此为止'),
('identity.totp.failures_max', '2026-01-01', '5', '次', '本平台自定', 'UNVERIFIED', '连续错几次后暂停动态口令'),
('identity.totp.lock_minutes', '2026-01-01', '15', 'min', '本平台自定', 'UNVERIFIED', '暂停多久'),
('identity.match.propose_weight', '2026-01-01', '12', 'bit', '本平台自定;方法见 Fellegi, Sunter (1969)', 'UNVERIFIED', '达到即提请人工核对,绝不自动合并'),
('identity.match.odds', '2026-01-01', '{
  "name_same": [0.93, 0.0005], "name_sound": [0.03, 0.002], "name_like": [0.03, 0.02], "name_other": [0.01, 0.9775],
  "born_same": [0.95, 0.00004], "born_swapped": [0.01, 0.00003], "born_digit": [0.02, 0.002], "born_other": [0.02, 0.99793],
  "sex_same": [0.99, 0.5], "sex_other": [0.01, 0.5],
  "phone_same": [0.6, 0.0002], "phone_other": [0.4, 0.9998],
  "district_same": [0.8, 0.1], "district_other": [0.2, 0.9]}', 'm,u', '本平台估计,待用核对结果校准', 'UNVERIFIED', '同一人时出现的概率 m,不同人时 u');
