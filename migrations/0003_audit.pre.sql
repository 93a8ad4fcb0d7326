-- kernel.audit: who read or wrote what about whom, why and when. Append-only by privilege: the
-- application may call two functions that belong to citycare_owner, and may read. Nothing else.
CREATE SCHEMA audit AUTHORIZATION citycare_owner;
SET LOCAL ROLE citycare_owner;

CREATE TABLE audit.lane (                -- the head of each chain
    lane smallint PRIMARY KEY CHECK (lane BETWEEN 0 AND 31),
    seq bigint NOT NULL,
    hash bytea NOT NULL CHECK (length(hash) = 32)
) WITH (fillfactor = 20);                -- room for HOT updates: one per appending transaction

CREATE TABLE audit.entry (
    lane smallint NOT NULL,             -- no foreign key: only audit.append writes here
    seq bigint NOT NULL CHECK (seq > 0),
    line text NOT NULL CHECK (length(line) <= 16384),
    hash bytea NOT NULL,
    person_id uuid,                     -- these three are of the line, for searching: audit.append
    at_us bigint NOT NULL,              -- reads them out once (generated columns would parse the
    action text NOT NULL,               -- line three times), and verify holds them to the line
    PRIMARY KEY (lane, seq)
);
CREATE INDEX entry_person ON audit.entry (person_id, at_us DESC, lane DESC, seq DESC)
    WHERE person_id IS NOT NULL;

CREATE TABLE audit.checkpoint (          -- the heads of all lanes at one instant, chained
    id bigint PRIMARY KEY CHECK (id > 0),
    line text NOT NULL,
    hash bytea NOT NULL
);

-- A lane starts from the hash of its own name, so whole lanes cannot change places.
INSERT INTO audit.lane (lane, seq, hash)
SELECT n, 0, sha256(convert_to('citycare audit lane ' || n, 'UTF8')) FROM generate_series(0, 31) n;

-- Chain the lines to one free lane: hash = sha256(hash before || line). A transaction stays in the
-- lane it took first. While any lane is free nobody waits; when all are taken, look again every
-- 2 ms and give up after 3 s (lock_not_available, which the edge answers with "busy").
CREATE FUNCTION audit.append(lines text[]) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    mine smallint := nullif(current_setting('citycare.audit_lane', true), '')::smallint;
    head audit.lane;
    link bytea;
    links bytea[] := '{}';
    entry text;
    until timestamptz := clock_timestamp() + interval '3 seconds';
BEGIN
    IF coalesce(cardinality(lines), 0) = 0 THEN
        RETURN;
    END IF;
    mine := coalesce(mine, floor(random() * 32)::smallint);
    LOOP
        SELECT * INTO head FROM audit.lane l WHERE l.lane = mine FOR UPDATE SKIP LOCKED;
        EXIT WHEN FOUND;
        SELECT * INTO head FROM audit.lane l LIMIT 1 FOR UPDATE SKIP LOCKED;
        EXIT WHEN FOUND;
        IF clock_timestamp() > until THEN
            RAISE lock_not_available USING MESSAGE = 'all audit lanes are taken';
        END IF;
        PERFORM pg_sleep(0.002);
    END LOOP;
    PERFORM set_config('citycare.audit_lane', head.lane::text, true);
    link := head.hash;
    FOREACH entry IN ARRAY lines LOOP
        link := sha256(link || convert_to(entry, 'UTF8'));
        links := links || link;
    END LOOP;
    INSERT INTO audit.entry (lane, seq, line, hash, person_id, at_us, action)
    SELECT head.lane, head.seq + u.n, u.l, u.h,
           (u.j ->> 'person')::uuid, (u.j ->> 'at')::bigint, u.j ->> 'action'
      FROM (SELECT l, h, n, l::jsonb AS j FROM unnest(lines, links) WITH ORDINALITY AS v (l, h, n)
            OFFSET 0) AS u;             -- OFFSET 0: so that each line is parsed once
    UPDATE audit.lane l SET seq = head.seq + cardinality(lines), hash = link
     WHERE l.lane = head.lane;
END;
$$;

-- Write down the heads of all lanes, chained to the checkpoint before. Returns its number, or NULL
-- when nothing has been appended since the last one.
CREATE FUNCTION audit.take_checkpoint(at_us bigint) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    last audit.checkpoint;
    heads text;
    text_of text;
BEGIN
    LOCK TABLE audit.checkpoint IN EXCLUSIVE MODE;
    SELECT * INTO last FROM audit.checkpoint c ORDER BY c.id DESC LIMIT 1;
    SELECT '[' || string_agg(format('[%s,%s,"%s"]', l.lane, l.seq, encode(l.hash, 'hex')), ','
                             ORDER BY l.lane) || ']'
      INTO heads FROM audit.lane l;
    IF last.line IS NOT NULL AND right(last.line, length(heads) + 1) = heads || '}' THEN
        RETURN NULL;
    END IF;
    text_of := format('{"at":%s,"suite":"sha256","heads":%s}', at_us, heads);
    INSERT INTO audit.checkpoint (id, line, hash)
    VALUES (coalesce(last.id, 0) + 1, text_of,
            sha256(coalesce(last.hash, sha256(convert_to('citycare audit checkpoints', 'UTF8')))
                   || convert_to(text_of, 'UTF8')));
    RETURN coalesce(last.id, 0) + 1;
END;
$$;

REVOKE ALL ON FUNCTION audit.append(text[]), audit.take_checkpoint(bigint) FROM PUBLIC;
GRANT USAGE ON SCHEMA audit TO citycare_app;
GRANT SELECT ON audit.lane, audit.entry, audit.checkpoint TO citycare_app;
GRANT EXECUTE ON FUNCTION audit.append(text[]), audit.take_checkpoint(bigint) TO citycare_app;
RESET ROLE;
