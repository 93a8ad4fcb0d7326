-- smart: apps and systems that read the record, what people allowed them, and their tokens.
CREATE SCHEMA smart;

CREATE TABLE smart.client (
    id uuid PRIMARY KEY,                 -- its text is the client_id
    name text NOT NULL CHECK (name <> ''),
    publisher text NOT NULL,             -- who answers for it, as people know them
    audience text NOT NULL CHECK (audience IN ('resident', 'staff', 'backend')),
    auth text NOT NULL CHECK (auth IN ('none', 'client_secret_basic', 'private_key_jwt')),
    organisation_id uuid,
    account_id uuid,                     -- as whom a backend acts
    redirect_uris text[] NOT NULL,
    launch_url text NOT NULL DEFAULT '', -- where an EHR launch opens it
    scopes text NOT NULL,                -- the most it may be given
    jwks jsonb,
    jwks_url text,
    secret_hash bytea,                   -- SHA-256; secrets have 256 random bits
    introspects boolean NOT NULL DEFAULT false,  -- may ask about tokens of others
    created_at timestamptz NOT NULL,
    disabled_at timestamptz,
    CHECK ((audience = 'resident') = (organisation_id IS NULL)),
    CHECK ((audience = 'backend') = (account_id IS NOT NULL)),
    CHECK ((audience = 'backend') = (redirect_uris = '{}')),
    CHECK (audience <> 'backend' OR auth = 'private_key_jwt'),
    CHECK ((auth = 'client_secret_basic') = (secret_hash IS NOT NULL)),
    CHECK ((auth = 'private_key_jwt') = (num_nonnulls(jwks, jwks_url) = 1)),
    CHECK (NOT introspects OR auth <> 'none')
);

CREATE TABLE smart.approval (            -- one "yes": of a person or guardian, or of staff at work
    id uuid PRIMARY KEY,
    client_id uuid NOT NULL REFERENCES smart.client (id),
    account_id uuid NOT NULL,            -- who said yes, and as whom the app acts
    person_id uuid,                      -- the person of that account
    patient_id uuid,                     -- whose record; none: staff without a patient in context
    scopes text NOT NULL,
    given_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL CHECK (expires_at > given_at),
    ended_at timestamptz,
    ended_why text CHECK (ended_why IN ('withdrawn', 'revoked', 'replayed')),
    CHECK ((ended_at IS NULL) = (ended_why IS NULL))
);
CREATE INDEX approval_patient ON smart.approval (patient_id);
CREATE INDEX approval_expiry ON smart.approval (expires_at);

CREATE TABLE smart.code (
    hash bytea PRIMARY KEY,
    approval_id uuid NOT NULL REFERENCES smart.approval (id) ON DELETE CASCADE,
    redirect_uri text NOT NULL,
    challenge text NOT NULL,             -- PKCE, S256
    nonce text NOT NULL,
    expires_at timestamptz NOT NULL,
    used_at timestamptz
);
CREATE INDEX code_approval ON smart.code (approval_id);

CREATE TABLE smart.access (              -- access tokens: all a call needs to know stands here
    hash bytea PRIMARY KEY,
    id uuid NOT NULL,
    client_id uuid NOT NULL REFERENCES smart.client (id),
    approval_id uuid REFERENCES smart.approval (id) ON DELETE CASCADE,
    account_id uuid NOT NULL,
    person_id uuid,
    actor_name text NOT NULL,
    grants text[] NOT NULL,              -- role/organisation, as they were when it was issued
    patient_id uuid,
    scopes text NOT NULL,
    issued_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL CHECK (expires_at > issued_at)
);
CREATE INDEX access_approval ON smart.access (approval_id);
CREATE INDEX access_expiry ON smart.access (expires_at);

CREATE TABLE smart.refresh (             -- each serves once; a used one seen again ends the approval
    hash bytea PRIMARY KEY,
    approval_id uuid NOT NULL REFERENCES smart.approval (id) ON DELETE CASCADE,
    issued_at timestamptz NOT NULL,
    used_at timestamptz
);
CREATE INDEX refresh_approval ON smart.refresh (approval_id);

CREATE TABLE smart.assertion (           -- client assertions seen, so that none serves twice
    client_id uuid NOT NULL,
    jti_hash bytea NOT NULL,
    expires_at timestamptz NOT NULL,
    PRIMARY KEY (client_id, jti_hash)
);
CREATE INDEX assertion_expiry ON smart.assertion (expires_at);

GRANT USAGE ON SCHEMA smart TO citycare_app;
GRANT SELECT, INSERT, UPDATE ON smart.client TO citycare_app;
GRANT SELECT, INSERT, UPDATE, DELETE ON smart.approval, smart.code, smart.access, smart.refresh,
    smart.assertion TO citycare_app;

INSERT INTO consent.purpose (purpose, version, words, sensitive, effective_from) VALUES
('record.apps', 1, '同意您亲自选择的应用，在您选定的期限内读取您选定的健康数据。每个应用分别征求同意。您可以随时撤回，不影响挂号和就诊。', true, '2026-01-01');

INSERT INTO policy.parameter (key, effective_from, value, unit, source, status, note) VALUES
('smart.access.minutes', '2026-01-01', '15', 'min', 'HL7 SMART App Launch 2.2.0（建议短时有效）；数值为本平台自定', 'UNVERIFIED', '应用的访问令牌多久有效（5到60分钟）'),
('smart.backend.minutes', '2026-01-01', '5', 'min', 'HL7 SMART App Launch 2.2.0 Backend Services（建议不超过5分钟）', 'UNVERIFIED', '机构后台系统的访问令牌多久有效（1到60分钟）'),
('smart.consent.days', '2026-01-01', '[30, 90, 365]', '天', '本平台自定', 'UNVERIFIED', '居民同意应用长期读取时，可选的期限');
