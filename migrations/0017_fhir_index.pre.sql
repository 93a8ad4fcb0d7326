-- kernel.fhir: one index for every search parameter of R4 (kernel/fhir/searching).
-- What stands here already is put into it by `citycare record reindex`, old and new code beside it.
-- Before the first release no table is so large that making an index in the file would close a city.
CREATE SEQUENCE fhir.rid;                -- a number for each version of each resource, never again

ALTER TABLE fhir.resource
    ADD COLUMN rid bigint,
    ADD COLUMN xid xid8,                 -- the transaction that wrote this version
    ADD COLUMN hash bigint NOT NULL DEFAULT 0,          -- of Type/id: hash # lane = key of links to it
    ADD COLUMN since double precision NOT NULL DEFAULT '-Infinity',  -- main date, s since 1970, from
    ADD COLUMN until double precision,   -- to; null: there is no main date. An open start: -1e18
    ADD COLUMN keys bigint[] NOT NULL DEFAULT '{}',
    ADD COLUMN present varbit NOT NULL DEFAULT '',      -- bit n: lane n has a value
    ADD COLUMN indexed smallint NOT NULL DEFAULT 0,     -- by which indexing.VERSION
    -- squawk-ignore ban-drop-not-null
    ALTER COLUMN terms DROP NOT NULL,
    -- squawk-ignore ban-drop-not-null
    ALTER COLUMN low DROP NOT NULL,
    ALTER COLUMN keys SET STATISTICS 400;
ALTER TABLE fhir.resource
    ALTER COLUMN rid SET DEFAULT nextval('fhir.rid'),
    ALTER COLUMN xid SET DEFAULT pg_current_xact_id();
-- squawk-ignore require-concurrent-index-creation
CREATE UNIQUE INDEX resource_rid ON fhir.resource (rid);
-- squawk-ignore require-concurrent-index-creation
CREATE INDEX resource_hash ON fhir.resource (hash);
-- squawk-ignore require-concurrent-index-creation
CREATE INDEX resource_keys ON fhir.resource USING gin (keys) WITH (gin_pending_list_limit = 64);
-- squawk-ignore require-concurrent-index-creation
CREATE INDEX resource_main ON fhir.resource (type, since, rid);
-- squawk-ignore require-concurrent-index-creation
CREATE INDEX resource_updated ON fhir.resource (type, updated_at, rid);
-- squawk-ignore require-concurrent-index-creation
CREATE INDEX resource_stale ON fhir.resource (indexed) WHERE indexed < 1;

ALTER TABLE fhir.version
    ADD COLUMN rid bigint,
    ADD COLUMN xid xid8,
    ADD COLUMN replaced xid8,            -- the transaction that wrote the version after it
    ADD COLUMN replaced_at timestamptz,
    ADD COLUMN searchable boolean NOT NULL DEFAULT false,  -- what it had in the index is still there
    ADD COLUMN hash bigint NOT NULL DEFAULT 0,
    ADD COLUMN since double precision NOT NULL DEFAULT '-Infinity',
    ADD COLUMN until double precision,
    ADD COLUMN keys bigint[] NOT NULL DEFAULT '{}',
    ADD COLUMN present varbit NOT NULL DEFAULT '';
ALTER TABLE fhir.version
    ALTER COLUMN replaced SET DEFAULT pg_current_xact_id(),
    ALTER COLUMN replaced_at SET DEFAULT now(),
    ALTER COLUMN searchable SET DEFAULT true;
-- squawk-ignore require-concurrent-index-creation
CREATE INDEX version_searchable ON fhir.version (replaced_at) WHERE searchable;
-- squawk-ignore require-concurrent-index-creation
CREATE INDEX version_replaced ON fhir.version (replaced, rid);
-- squawk-ignore require-concurrent-index-creation
CREATE INDEX version_updated ON fhir.version (type, updated_at, rid);

CREATE TABLE fhir.measure (              -- what has an order: dates, numbers, quantities, positions
    rid bigint NOT NULL,                 -- no foreign key: those of an old version go a while later
    way integer NOT NULL,                -- Lane.hash32
    unit integer NOT NULL,               -- 0: the number alone; else hash of base units (measures.py)
    low double precision NOT NULL,
    high double precision NOT NULL
);
CREATE INDEX measure_of ON fhir.measure (rid);
CREATE INDEX measure_found ON fhir.measure (way, unit, low, high, rid);

CREATE TABLE fhir.wording (              -- distinct texts of codings, for :text
    way integer NOT NULL,
    key bigint NOT NULL,                 -- of resources that have this text
    words text COLLATE "C" NOT NULL,     -- folded, the whole first, then its words
    PRIMARY KEY (way, key, words)
);

GRANT USAGE ON SEQUENCE fhir.rid TO citycare_app;
GRANT SELECT, INSERT, DELETE ON fhir.measure TO citycare_app;
GRANT SELECT, INSERT ON fhir.wording TO citycare_app;
GRANT UPDATE (rid, searchable, keys, present) ON fhir.version TO citycare_app;
