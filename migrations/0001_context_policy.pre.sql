-- Roles, and policy parameters (kernel.context.policy). The runner creates citycare_owner and
-- citycare_app before the first migration, because roles belong to the server, not the database.
CREATE SCHEMA policy;
CREATE TABLE policy.parameter (
    key text NOT NULL CHECK (key ~ '^[a-z]+(\.[a-z_]+)+$'),
    effective_from timestamptz NOT NULL,
    value jsonb NOT NULL,
    unit text NOT NULL,
    source text NOT NULL CHECK (source <> ''),
    status text NOT NULL CHECK (status IN ('VERIFIED', 'UNVERIFIED')),
    note text NOT NULL DEFAULT '',
    PRIMARY KEY (key, effective_from)
);
CREATE SCHEMA jobs;
GRANT USAGE ON SCHEMA policy, jobs TO citycare_app;
GRANT SELECT, INSERT ON policy.parameter TO citycare_app;
