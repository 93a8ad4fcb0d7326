-- exchange: how far the record has been looked through for Patients that are somebody known.
CREATE TABLE exchange.linking (          -- one row; as exchange.feed, by itself
    id boolean PRIMARY KEY DEFAULT true CHECK (id),
    since pg_snapshot,                   -- all that it sees has been looked at; null: nothing has
    target pg_snapshot,                  -- a round that is under way goes up to here; null: none
    rid bigint NOT NULL DEFAULT 0 CHECK (rid >= 0),     -- and is so far
    CHECK (target IS NOT NULL OR rid = 0)
);
INSERT INTO exchange.linking DEFAULT VALUES;

GRANT SELECT, UPDATE ON exchange.linking TO citycare_app;
