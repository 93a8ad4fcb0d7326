-- kernel.events: the outbox, who has handled what, what failed, and replies kept for repeats.
-- The queue itself is procrastinate's, in schema jobs.
CREATE SCHEMA events;

CREATE TABLE events.event (
    id uuid PRIMARY KEY,
    name text NOT NULL CHECK (name ~ '^[a-z_]+\.[a-z_]+$'),
    facts jsonb NOT NULL CHECK (jsonb_typeof(facts) = 'object'),   -- ids and numbers only
    at timestamptz NOT NULL,
    request_id text NOT NULL
);
CREATE INDEX event_at ON events.event (at);

CREATE TABLE events.subscription (       -- which handlers there are; an event nobody hears needs no job
    event text NOT NULL,
    handler text NOT NULL,
    since timestamptz NOT NULL,
    PRIMARY KEY (event, handler)
);

CREATE TABLE events.handled (            -- one row per event and handler, once it has been tried
    event_id uuid NOT NULL REFERENCES events.event (id) ON DELETE CASCADE,
    handler text NOT NULL,
    state text NOT NULL CHECK (state IN ('done', 'handed_on')),    -- handed_on: has its own job
    at timestamptz NOT NULL,
    PRIMARY KEY (event_id, handler)
);
CREATE INDEX handled_open ON events.handled (event_id) WHERE state = 'handed_on';

CREATE TABLE events.done (               -- jobs whose work has been committed
    job_id bigint PRIMARY KEY,
    at timestamptz NOT NULL
);
CREATE INDEX done_at ON events.done (at);

CREATE TABLE events.failure (            -- what each failed try ran into; never clinical text
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    job_id bigint NOT NULL,
    at timestamptz NOT NULL,
    error text NOT NULL,
    place text NOT NULL
);
CREATE INDEX failure_job ON events.failure (job_id, id);
CREATE INDEX failure_at ON events.failure (at);

CREATE TABLE events.reply (              -- successes only, for requests that come twice
    account_id uuid NOT NULL,
    key text COLLATE "C" NOT NULL CHECK (length(key) BETWEEN 1 AND 200),
    digest bytea NOT NULL,
    status smallint NOT NULL CHECK (status BETWEEN 200 AND 399),
    body json NOT NULL,                  -- as it was sent
    at timestamptz NOT NULL,
    PRIMARY KEY (account_id, key)
);
CREATE INDEX reply_at ON events.reply USING brin (at);   -- only for throwing old ones away

GRANT USAGE ON SCHEMA events TO citycare_app;
GRANT SELECT, INSERT ON events.subscription TO citycare_app;
GRANT SELECT, INSERT, DELETE ON events.event, events.done, events.failure, events.reply
    TO citycare_app;
GRANT SELECT, INSERT, UPDATE, DELETE ON events.handled TO citycare_app;
