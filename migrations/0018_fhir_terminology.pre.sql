-- kernel.fhir: code systems, value sets and concept maps in narrow tables (kernel/fhir/terminology).
CREATE TABLE fhir.code_system (          -- one version of one system
    id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    url text COLLATE "C" NOT NULL CHECK (url <> ''),
    version text COLLATE "C" NOT NULL,   -- '': none was given
    status text NOT NULL,
    dated text NOT NULL,                 -- as written; '': not at all
    name text NOT NULL,
    language text NOT NULL,              -- of displays; '': not said
    content text NOT NULL,               -- what of the system is here, as sent
    cased boolean NOT NULL,              -- upper and lower case differ in codes
    value_set text NOT NULL,             -- canonical of the set of all codes; '': none
    resource_id text COLLATE "C" NOT NULL UNIQUE,
    digest bytea NOT NULL,               -- of what was loaded, so that it is not loaded twice
    loaded_at timestamptz NOT NULL,
    UNIQUE (url, version)
);
CREATE INDEX code_system_value_set ON fhir.code_system (value_set) WHERE value_set <> '';

CREATE TABLE fhir.concept (
    -- id of the system * 2^32 + place in preorder of the hierarchy: a system is a range, and so is
    -- what lies below a concept. No foreign key: only the loader writes here, both in one go.
    number bigint PRIMARY KEY,
    system integer NOT NULL,
    key text COLLATE "C" NOT NULL,       -- the code, in lower case where the system is not `cased`
    code text COLLATE "C" NOT NULL,
    display text NOT NULL,
    definition text,
    inactive boolean NOT NULL,
    abstract boolean NOT NULL,           -- not to be chosen by a person
    words text COLLATE "C" NOT NULL,     -- folded: code, display, designations, initials of pinyin
    pieces integer[] NOT NULL,           -- pairs of signs in `words`
    UNIQUE (system, key)
);
CREATE INDEX concept_pieces ON fhir.concept USING gin (pieces);

CREATE TABLE fhir.concept_parent (
    child bigint NOT NULL,
    parent bigint NOT NULL,
    PRIMARY KEY (child, parent)
);
CREATE INDEX concept_parent_of ON fhir.concept_parent (parent, child);

CREATE TABLE fhir.concept_span (         -- what lies below a concept, itself too: low ≤ n < high
    number bigint NOT NULL,              -- only of concepts that have any below them
    low bigint NOT NULL,
    high bigint NOT NULL,
    PRIMARY KEY (number, low),           -- disjoint: one look-up says whether n lies below
    CHECK (low < high)
);

CREATE TABLE fhir.concept_designation (
    number bigint NOT NULL,
    place integer NOT NULL,
    language text NOT NULL,              -- '': not said
    used jsonb,                          -- what for, a Coding
    value text NOT NULL,
    PRIMARY KEY (number, place)
);

CREATE TABLE fhir.concept_property (
    number bigint NOT NULL,
    place integer NOT NULL,
    system integer NOT NULL,
    name text COLLATE "C" NOT NULL,
    kind text NOT NULL,                  -- of value[x]: Code, String, Boolean, Coding …
    value text COLLATE "C" NOT NULL,     -- of a Coding: its code
    whole jsonb,                         -- a Coding
    PRIMARY KEY (number, place)
);
CREATE INDEX concept_property_value ON fhir.concept_property (system, name, left(value, 100));

-- A large system changes what these tables hold at once: without fresh statistics the next searches
-- took a hundred times as long (measured), and the application's role may not ANALYZE.
CREATE FUNCTION fhir.analyze_concepts() RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = fhir, pg_temp AS
$$
BEGIN
    ANALYZE fhir.concept, fhir.concept_parent, fhir.concept_span, fhir.concept_designation,
            fhir.concept_property;
END;
$$;
REVOKE ALL ON FUNCTION fhir.analyze_concepts() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION fhir.analyze_concepts() TO citycare_app;

CREATE TABLE fhir.value_set (
    id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    url text COLLATE "C" NOT NULL CHECK (url <> ''),
    version text COLLATE "C" NOT NULL,
    status text NOT NULL,
    dated text NOT NULL,
    name text NOT NULL,
    resource_id text COLLATE "C" NOT NULL UNIQUE,
    digest bytea NOT NULL,
    loaded_at timestamptz NOT NULL,
    compose jsonb NOT NULL,
    UNIQUE (url, version)
);

CREATE TABLE fhir.concept_map (
    id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    url text COLLATE "C" NOT NULL CHECK (url <> ''),
    version text COLLATE "C" NOT NULL,
    status text NOT NULL,
    dated text NOT NULL,
    name text NOT NULL,
    source text COLLATE "C" NOT NULL,    -- value set mapped from; '': not said
    target text COLLATE "C" NOT NULL,
    resource_id text COLLATE "C" NOT NULL UNIQUE,
    digest bytea NOT NULL,
    loaded_at timestamptz NOT NULL,
    UNIQUE (url, version)
);

CREATE TABLE fhir.concept_map_group (
    map integer NOT NULL REFERENCES fhir.concept_map ON DELETE CASCADE,
    place integer NOT NULL,
    source text COLLATE "C" NOT NULL,    -- system; '': not said
    source_version text NOT NULL,
    target text COLLATE "C" NOT NULL,
    target_version text NOT NULL,
    unmapped jsonb,
    PRIMARY KEY (map, place)
);

CREATE TABLE fhir.concept_map_entry (
    map integer NOT NULL,
    grouped integer NOT NULL,            -- place of its group
    place integer NOT NULL,
    source text COLLATE "C" NOT NULL,    -- code
    source_display text NOT NULL,
    target text COLLATE "C" NOT NULL,    -- code; '': none
    target_display text NOT NULL,
    equivalence text NOT NULL,
    more jsonb,                          -- comment, dependsOn, product
    PRIMARY KEY (map, grouped, place),
    FOREIGN KEY (map, grouped) REFERENCES fhir.concept_map_group ON DELETE CASCADE
);
CREATE INDEX concept_map_entry_source ON fhir.concept_map_entry (source, map, grouped);
CREATE INDEX concept_map_entry_target ON fhir.concept_map_entry (target, map, grouped);

GRANT SELECT, INSERT, UPDATE, DELETE ON
    fhir.code_system, fhir.concept, fhir.concept_parent, fhir.concept_span,
    fhir.concept_designation, fhir.concept_property, fhir.value_set, fhir.concept_map,
    fhir.concept_map_group, fhir.concept_map_entry TO citycare_app;
