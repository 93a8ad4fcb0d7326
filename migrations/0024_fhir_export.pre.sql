-- kernel.fhir: exports. A file is a stretch of the record as it was at the start, told by its ends:
-- its text is read when it is fetched, so nothing clinical lies in a second place.
CREATE TABLE fhir.export (
    id uuid PRIMARY KEY,
    account uuid,                        -- who asked; null: the system itself
    request text NOT NULL,               -- the address asked, for the manifest
    types text[] NOT NULL,
    since timestamptz,                   -- null: from the beginning
    within_patients boolean NOT NULL,    -- only what belongs to a patient
    members bigint[] NOT NULL,           -- keys of the patients it is about; empty: all
    visible json NOT NULL,               -- what whoever asked may see
    snapshot pg_snapshot NOT NULL,
    transaction_time timestamptz NOT NULL,  -- what was changed before is in it
    asked_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    ended_at timestamptz,                -- null: under way
    type_at integer NOT NULL DEFAULT 0,  -- how far it is: index in types,
    member_at integer NOT NULL DEFAULT 0,   -- in members,
    after_at timestamptz NOT NULL,       -- and behind this change
    after_rid bigint NOT NULL
);
CREATE INDEX export_expires ON fhir.export (expires_at);

CREATE TABLE fhir.export_file (
    export uuid NOT NULL REFERENCES fhir.export ON DELETE CASCADE,
    number integer NOT NULL,
    type text NOT NULL,
    member_from integer NOT NULL,        -- of members, from
    member_to integer NOT NULL,          -- up to, not itself
    after_at timestamptz NOT NULL,       -- behind this change
    after_rid bigint NOT NULL,
    upto_at timestamptz NOT NULL,        -- up to this one
    upto_rid bigint NOT NULL,
    looked_at integer NOT NULL,          -- rows of the stretch, seen or not
    count integer NOT NULL CHECK (count > 0),
    bytes bigint NOT NULL,
    PRIMARY KEY (export, number)
);

GRANT SELECT, INSERT, UPDATE, DELETE ON fhir.export, fhir.export_file TO citycare_app;
