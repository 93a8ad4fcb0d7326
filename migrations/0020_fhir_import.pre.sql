-- kernel.fhir: how far each imported file has come, and what of it was refused.
CREATE TABLE fhir.import_part (          -- a file, a member of a zip, or a stretch of a large file
    digest bytea PRIMARY KEY CHECK (length(digest) = 32),   -- of its content (and of --strict)
    name text NOT NULL,                  -- what it was called when it was first begun
    bytes bigint NOT NULL CHECK (bytes >= 0),               -- as it lies there, compressed or not
    done integer NOT NULL DEFAULT 0,     -- so many of its resources are settled: go on behind them
    created integer NOT NULL DEFAULT 0,
    updated integer NOT NULL DEFAULT 0,
    unchanged integer NOT NULL DEFAULT 0,
    refused integer NOT NULL DEFAULT 0,
    began_at timestamptz NOT NULL,
    ended_at timestamptz                 -- null: under way, or stopped by a crash
);
CREATE INDEX import_part_began ON fhir.import_part (began_at DESC);

CREATE TABLE fhir.import_fault (         -- one refused resource
    digest bytea NOT NULL REFERENCES fhir.import_part ON DELETE CASCADE,
    place integer NOT NULL CHECK (place >= 0),              -- line from 1, entry from 0
    type text NOT NULL,                  -- '' where it could not be read
    id text NOT NULL,
    faults json NOT NULL CHECK (json_array_length(faults) > 0),  -- element, code, words, message
    PRIMARY KEY (digest, place)
);

GRANT SELECT, INSERT, UPDATE, DELETE ON fhir.import_part, fhir.import_fault TO citycare_app;
