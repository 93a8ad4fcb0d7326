-- kernel.identity: people and their documents, relations, organisations, practitioners, accounts.
CREATE SCHEMA identity;

CREATE TABLE identity.person (
    id uuid PRIMARY KEY,
    name text NOT NULL CHECK (name <> ''),
    name_pinyin text NOT NULL DEFAULT '',
    sex text NOT NULL CHECK (sex IN ('male', 'female', 'unknown')),
    born_on date NOT NULL,
    phone text,
    district text,                       -- GB/T 2260 code of where the person lives
    address text NOT NULL DEFAULT '',
    created_at timestamptz NOT NULL,
    merged_into uuid REFERENCES identity.person (id),
    CHECK (merged_into <> id)
);
CREATE INDEX person_phone ON identity.person (phone) WHERE phone IS NOT NULL;
CREATE INDEX person_name_born ON identity.person (name, born_on);

CREATE TABLE identity.document (
    kind text NOT NULL,                  -- see kernel/identity/documents.py, Kind
    number text NOT NULL,                -- normalised
    person_id uuid NOT NULL REFERENCES identity.person (id),
    verified_at timestamptz,             -- real-name check done; only these match deterministically
    verified_by text,
    ended_at timestamptz
);
CREATE UNIQUE INDEX document_once ON identity.document (kind, number) WHERE ended_at IS NULL;
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

CREATE TABLE identity.merge (
    id uuid PRIMARY KEY,
    kept_id uuid NOT NULL REFERENCES identity.person (id),
    merged_id uuid NOT NULL REFERENCES identity.person (id),
    moved jsonb NOT NULL,                -- which documents and relations moved, to put them back
    reason text NOT NULL CHECK (reason <> ''),
    merged_at timestamptz NOT NULL,
    merged_by uuid,
    undone_at timestamptz,
    undone_by uuid
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
    CHECK (ends_at > starts_at)
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
    code text NOT NULL,                  -- 《医疗机构诊疗科目名录》
    name text NOT NULL,
    place text NOT NULL DEFAULT '',      -- building and floor
    UNIQUE (organisation_id, name)
);

CREATE TABLE identity.practitioner (
    id uuid PRIMARY KEY,
    person_id uuid REFERENCES identity.person (id),
    name text NOT NULL,
    name_pinyin text NOT NULL DEFAULT '',
    sex text NOT NULL DEFAULT 'unknown',
    title text NOT NULL DEFAULT '',      -- 主任医师 ...
    good_at text NOT NULL DEFAULT '',
    licence text UNIQUE                  -- hospital's own staff number or licence
);
CREATE TABLE identity.practitioner_role (
    practitioner_id uuid NOT NULL REFERENCES identity.practitioner (id),
    department_id uuid NOT NULL REFERENCES identity.department (id),
    PRIMARY KEY (practitioner_id, department_id)
);

CREATE TABLE identity.account (
    id uuid PRIMARY KEY,
    issuer text NOT NULL,
    subject text NOT NULL,
    person_id uuid REFERENCES identity.person (id),
    practitioner_id uuid REFERENCES identity.practitioner (id),
    name text NOT NULL,
    totp_secret text,                    -- staff second factor (RFC 6238)
    totp_last_step bigint,               -- a code works once
    disabled_at timestamptz,
    UNIQUE (issuer, subject)
);
CREATE INDEX account_person ON identity.account (person_id);

CREATE TABLE identity.account_grant (
    account_id uuid NOT NULL REFERENCES identity.account (id),
    role text NOT NULL,
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
    device text NOT NULL DEFAULT ''
);
CREATE INDEX session_account ON identity.session (account_id);

GRANT USAGE ON SCHEMA identity TO citycare_app;
GRANT SELECT, INSERT, UPDATE ON ALL TABLES IN SCHEMA identity TO citycare_app;
