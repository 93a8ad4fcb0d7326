-- scenarios.booking: the draw (requests gather, one verifiable lottery) and the queue of first come.
CREATE TABLE booking.draw (
    id uuid PRIMARY KEY,
    organisation_id uuid NOT NULL,
    name text NOT NULL CHECK (name <> ''),
    pool booking.pool NOT NULL DEFAULT 'public',
    opens_at timestamptz NOT NULL,
    closes_at timestamptz NOT NULL,
    state text NOT NULL DEFAULT 'open' CHECK (state IN ('open', 'frozen', 'drawn', 'done')),
    commitment bytea NOT NULL CHECK (octet_length(commitment) = 32),   -- sha256 of the seed
    beacon_source text NOT NULL DEFAULT '',   -- named at opening; '' = no beacon
    beacon text,                              -- its text, known only after the list is frozen
    requests integer CHECK (requests >= 0),   -- from frozen on
    list_digest bytea CHECK (octet_length(list_digest) = 32),
    seed bytea CHECK (octet_length(seed) = 32),   -- revealed with the results
    won integer,
    done_at timestamptz,
    CHECK (closes_at > opens_at),
    CHECK (state = 'open' OR requests IS NOT NULL),
    CHECK (beacon IS NULL OR list_digest IS NOT NULL),
    CHECK (state IN ('open', 'frozen') OR (list_digest IS NOT NULL AND won IS NOT NULL)),
    CHECK ((state = 'done') = (seed IS NOT NULL AND done_at IS NOT NULL))
);
CREATE INDEX draw_closes ON booking.draw (closes_at) WHERE state <> 'done';

-- The seed, sealed under a key that is not in the database (store/keys.py).
CREATE TABLE booking.draw_secret (
    draw_id uuid PRIMARY KEY REFERENCES booking.draw (id),
    sealed bytea NOT NULL
);

CREATE TABLE booking.draw_slot (         -- the windows in a draw, numbered 1.. for short lists
    draw_id uuid NOT NULL REFERENCES booking.draw (id),
    n integer NOT NULL CHECK (n >= 1),
    slot_id uuid NOT NULL REFERENCES booking.slot (id),
    numbers smallint[] NOT NULL DEFAULT '{}',   -- the places drawn for; fixed when the list is frozen
    PRIMARY KEY (draw_id, n),
    UNIQUE (slot_id)                     -- a window is in one draw, once
);

CREATE TABLE booking.draw_request (
    draw_id uuid NOT NULL REFERENCES booking.draw (id),
    public_id uuid NOT NULL,             -- says nothing about the person (rules.draw.public_id)
    person_id uuid NOT NULL,
    wish1 integer NOT NULL CHECK (wish1 >= 1),
    wish2 integer NOT NULL DEFAULT 0 CHECK (wish2 >= 0 AND wish2 <> wish1),   -- 0: none
    wish3 integer NOT NULL DEFAULT 0 CHECK (wish3 >= 0 AND wish3 <> wish1),
    channel text NOT NULL,
    acted_by uuid,
    changed_at timestamptz NOT NULL,
    withdrawn_at timestamptz,
    PRIMARY KEY (draw_id, public_id),
    CONSTRAINT draw_request_once UNIQUE (person_id, draw_id),   -- one request a person
    CHECK (wish3 = 0 OR (wish2 > 0 AND wish3 <> wish2))
);

CREATE TABLE booking.draw_result (       -- one row a request, in the order of the lottery
    draw_id uuid NOT NULL,               -- no foreign key: a million checks for one COPY
    position integer NOT NULL CHECK (position >= 1),
    public_id uuid NOT NULL,
    wish smallint NOT NULL CHECK (wish BETWEEN 0 AND 3),   -- which wish came true; 0: none
    n integer,
    number smallint,
    missed text CHECK (missed IN ('stopped', 'clash')),    -- won, but no booking could be made
    PRIMARY KEY (draw_id, position),
    CHECK ((wish > 0) = (n IS NOT NULL AND number IS NOT NULL))
);
CREATE UNIQUE INDEX draw_result_request ON booking.draw_result (draw_id, public_id) WHERE wish > 0;
CREATE UNIQUE INDEX draw_result_place ON booking.draw_result (draw_id, n, number) WHERE wish > 0;

-- What is left to write after the lottery, in lanes that run side by side: bookings by window number,
-- words to those who got nothing by position. A lane is done up to `reached`.
CREATE TABLE booking.draw_lane (
    draw_id uuid NOT NULL REFERENCES booking.draw (id),
    lane smallint NOT NULL,
    kind text NOT NULL CHECK (kind IN ('book', 'tell')),
    reached integer NOT NULL,
    upto integer NOT NULL CHECK (reached <= upto),
    PRIMARY KEY (draw_id, lane)
);

-- First come: a release of a clinic is one queue; tickets are ranked second by second, at random
-- within one. As many people are let in as there are places for, so their order is that of booking.
CREATE TABLE booking.queue (
    id uuid PRIMARY KEY,
    clinic_id uuid NOT NULL REFERENCES booking.clinic (id),
    opens_at timestamptz NOT NULL,
    ends_at timestamptz NOT NULL,
    rate_per_s integer NOT NULL CHECK (rate_per_s BETWEEN 1 AND 100000),
    use_s integer NOT NULL CHECK (use_s BETWEEN 10 AND 3600),
    gather_s integer NOT NULL CHECK (gather_s BETWEEN 1 AND 600),   -- one random order for the first seconds
    ranked_to bigint NOT NULL DEFAULT 0,       -- the last second (Unix time) whose tickets have positions
    ranked integer NOT NULL DEFAULT 0,         -- how many tickets have positions
    admitted integer NOT NULL DEFAULT 0 CHECK (admitted <= ranked),
    places_left integer NOT NULL DEFAULT 0 CHECK (places_left >= 0),   -- as of advanced_at
    choosing integer NOT NULL DEFAULT 0 CHECK (choosing >= 0),         -- let in, neither done nor expired
    advanced_at timestamptz NOT NULL,
    CHECK (ends_at > opens_at)
);
CREATE INDEX queue_ends ON booking.queue (ends_at);
CREATE INDEX queue_clinic ON booking.queue (clinic_id, ends_at);
CREATE TABLE booking.queue_ticket (
    queue_id uuid NOT NULL REFERENCES booking.queue (id),
    person_id uuid NOT NULL,
    second bigint NOT NULL,
    tie bigint NOT NULL,                       -- keyed hash: random within the second, not to be steered
    position integer,
    admitted_at timestamptz,
    used_at timestamptz,
    PRIMARY KEY (queue_id, person_id)
) WITH (fillfactor = 80);
CREATE INDEX queue_ticket_unranked ON booking.queue_ticket (queue_id, second) WHERE position IS NULL;
CREATE INDEX queue_ticket_position ON booking.queue_ticket (queue_id, position)
    WHERE position IS NOT NULL AND admitted_at IS NULL;
CREATE INDEX queue_ticket_choosing ON booking.queue_ticket (queue_id, admitted_at)
    WHERE admitted_at IS NOT NULL AND used_at IS NULL;

GRANT SELECT, INSERT, UPDATE ON booking.draw, booking.draw_slot, booking.draw_request,
    booking.draw_result, booking.draw_lane, booking.queue, booking.queue_ticket TO citycare_app;
GRANT SELECT, INSERT ON booking.draw_secret TO citycare_app;
GRANT DELETE ON booking.queue, booking.queue_ticket TO citycare_app;   -- old ones name people for nothing

INSERT INTO policy.parameter (key, effective_from, value, unit, source, status, note) VALUES
('booking.draw.wishes_max', '2026-01-01', '3', '个', '平台设计', 'UNVERIFIED', '一次登记最多几个志愿时段,不超过3'),
('booking.queue.before_min', '2026-01-01', '10', 'min', '平台设计', 'UNVERIFIED', '放号前多久可以开始排队'),
('booking.queue.after_min', '2026-01-01', '15', 'min', '平台设计', 'UNVERIFIED', '放号后多久之内凭排队选号'),
('booking.queue.kept_days', '2026-01-01', '30', '天', '平台设计', 'UNVERIFIED', '排队记录保留多久'),
('booking.queue.use_s', '2026-01-01', '300', 's', '平台设计', 'UNVERIFIED', '排到后多久内要选好号'),
('booking.queue.gather_s', '2026-01-01', '30', 's', '平台设计;依据 bench/scalpers.py 的模拟', 'UNVERIFIED', '放号后头多少秒内到的人视为同时到,随机排序'),
('booking.queue.rate_per_s', '2026-01-01', '200', '人/s', '平台设计', 'UNVERIFIED', '每秒放行人数,按实测能力调整');
