-- exchange: who is told of changes of the record, and how far each has been told.
-- The record itself is the outbox: nothing here is written by those who change it.
-- squawk-ignore require-concurrent-index-creation
CREATE INDEX resource_xid ON fhir.resource (xid);      -- what the newest transactions wrote

CREATE SCHEMA IF NOT EXISTS exchange;

CREATE TABLE exchange.feed (             -- one row: up to where the record has been looked through
    id boolean PRIMARY KEY DEFAULT true CHECK (id),
    since pg_snapshot NOT NULL,          -- all that it sees has been looked at
    target pg_snapshot,                  -- a round that is under way goes up to here; null: none
    rid bigint NOT NULL DEFAULT 0 CHECK (rid >= 0),     -- and is so far
    plan bigint NOT NULL DEFAULT 0,      -- counts what changes who is to be told of what
    CHECK (target IS NOT NULL OR rid = 0)
);
INSERT INTO exchange.feed (since) VALUES (pg_current_snapshot());

CREATE TABLE exchange.topic (            -- SubscriptionTopics, kept in the record as Basic
    id text COLLATE "C" PRIMARY KEY,     -- of the Basic
    url text COLLATE "C" NOT NULL CHECK (url <> '')
);
CREATE INDEX topic_url ON exchange.topic (url);

CREATE TABLE exchange.owner (            -- for whom a Subscription was stored; nobody: sees nothing
    subscription_id text COLLATE "C" PRIMARY KEY,
    account_id uuid NOT NULL,
    organisation_id uuid                 -- for which that account acted
);
CREATE INDEX owner_account ON exchange.owner (account_id);

CREATE TABLE exchange.subscription (     -- one a Subscription in the record that is not off
    id text COLLATE "C" PRIMARY KEY,
    version integer NOT NULL CHECK (version >= 1),      -- of the record, that stands here
    state text NOT NULL CHECK (state IN ('requested', 'active', 'error', 'off')),
    began_at timestamptz NOT NULL,
    ends_at timestamptz,                 -- Subscription.end
    heartbeat_s integer CHECK (heartbeat_s > 0),
    numbered bigint NOT NULL DEFAULT 0 CHECK (numbered >= 0),       -- the newest event
    delivered bigint NOT NULL DEFAULT 0,                -- all up to this one have been told
    failures integer NOT NULL DEFAULT 0 CHECK (failures >= 0),      -- one after another, till now
    error text NOT NULL DEFAULT '' CHECK (length(error) <= 200),    -- of the newest failure
    failing_at timestamptz,              -- since when
    due_at timestamptz NOT NULL,         -- not before
    told_at timestamptz,                 -- when the receiver last took something
    lease uuid,                          -- of the worker that is at it
    leased_until timestamptz,            -- a lease older than this is of a worker that is dead
    CHECK (delivered BETWEEN 0 AND numbered),
    CHECK ((lease IS NULL) = (leased_until IS NULL)),
    CHECK ((failures = 0) = (failing_at IS NULL))
);
CREATE INDEX subscription_due ON exchange.subscription (due_at)
 WHERE state IN ('requested', 'active');

CREATE TABLE exchange.event (            -- what there is to tell; the content stays in the record
    subscription_id text COLLATE "C" NOT NULL
        REFERENCES exchange.subscription (id) ON DELETE CASCADE,
    number bigint NOT NULL CHECK (number > 0),          -- from 1 on, without gaps
    type text COLLATE "C" NOT NULL,
    resource_id text COLLATE "C" NOT NULL,
    version integer NOT NULL,
    interaction text NOT NULL CHECK (interaction IN ('create', 'update', 'delete')),
    size integer NOT NULL CHECK (size >= 0),            -- of the version's JSON in bytes
    at timestamptz NOT NULL,             -- of the change
    PRIMARY KEY (subscription_id, number)
);
CREATE INDEX event_at ON exchange.event USING brin (at);            -- only for throwing away

GRANT USAGE ON SCHEMA exchange TO citycare_app;
GRANT SELECT, UPDATE ON exchange.feed TO citycare_app;
GRANT SELECT, INSERT, UPDATE, DELETE ON exchange.topic, exchange.owner, exchange.subscription
    TO citycare_app;
GRANT SELECT, INSERT, DELETE ON exchange.event TO citycare_app;
