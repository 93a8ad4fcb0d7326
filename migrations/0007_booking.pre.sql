-- scenarios.booking: clinics, windows (slots), places, bookings, waiting list, limits.
CREATE SCHEMA booking;

CREATE TYPE booking.pool AS ENUM ('public', 'referral', 'onsite', 'elder', 'followup');

-- A clinic is what one books with: a doctor's clinic, or a department's general clinic. It carries
-- copies of the names it is found by, so that this schema answers searches alone.
CREATE TABLE booking.clinic (
    id uuid PRIMARY KEY,
    organisation_id uuid NOT NULL,
    organisation_name text NOT NULL,
    organisation_short text NOT NULL,
    district text NOT NULL,              -- GB/T 2260
    latitude double precision,
    longitude double precision,
    department_id uuid NOT NULL,
    department_code text NOT NULL,       -- 《医疗机构诊疗科目名录》
    department_name text NOT NULL,
    practitioner_id uuid,                -- null: general clinic
    practitioner_name text NOT NULL DEFAULT '',
    title text NOT NULL DEFAULT '',
    good_at text NOT NULL DEFAULT '',
    kind text NOT NULL CHECK (kind IN ('general', 'expert', 'special')),
    release text NOT NULL DEFAULT 'first_come' CHECK (release IN ('first_come', 'draw')),
    queued boolean NOT NULL DEFAULT false,   -- first come with a queue around each release
    queue_rate_per_s integer CHECK (queue_rate_per_s BETWEEN 1 AND 10000),   -- its pace; null: as the policy says
    room text NOT NULL DEFAULT '',
    fee_fen integer NOT NULL CHECK (fee_fen >= 0),
    search_text text NOT NULL DEFAULT '', -- words, nicknames, pinyin, initials (scenarios/booking/finder.py)
    active boolean NOT NULL DEFAULT true
);
CREATE INDEX clinic_department ON booking.clinic (department_code);
CREATE INDEX clinic_practitioner ON booking.clinic (practitioner_id);
CREATE INDEX clinic_organisation ON booking.clinic (organisation_id, department_id);
CREATE INDEX clinic_queued ON booking.clinic (id) WHERE queued;

CREATE TABLE booking.template (          -- weekly rule from which windows are made
    id uuid PRIMARY KEY,
    clinic_id uuid NOT NULL REFERENCES booking.clinic (id),
    weekday smallint NOT NULL CHECK (weekday BETWEEN 1 AND 7),   -- ISO
    starts time NOT NULL,
    ends time NOT NULL,
    window_min smallint NOT NULL DEFAULT 30 CHECK (window_min BETWEEN 5 AND 60),   -- K01
    capacity smallint NOT NULL CHECK (capacity BETWEEN 1 AND 60),   -- places a window
    shares jsonb NOT NULL,               -- pool → places a window; sums to capacity (rules.check_shares)
    valid_from date NOT NULL,
    valid_to date,
    CHECK (ends > starts)
);
CREATE INDEX template_clinic ON booking.template (clinic_id);

CREATE TABLE booking.closure (           -- exceptions and holidays; clinic null: the whole organisation
    id uuid PRIMARY KEY,
    organisation_id uuid NOT NULL,
    clinic_id uuid REFERENCES booking.clinic (id),
    on_day date NOT NULL,
    kind text NOT NULL CHECK (kind IN ('closed', 'open')),   -- 'open': a working day in spite of the calendar
    reason text NOT NULL
);
CREATE INDEX closure_day ON booking.closure (organisation_id, on_day);

CREATE TABLE booking.slot (              -- one window of one clinic
    id uuid PRIMARY KEY,
    clinic_id uuid NOT NULL REFERENCES booking.clinic (id),
    organisation_id uuid NOT NULL,       -- copies, for the indexes of the search
    district text NOT NULL,
    department_code text NOT NULL,
    practitioner_id uuid,
    starts_at timestamptz NOT NULL,
    ends_at timestamptz NOT NULL,
    state text NOT NULL DEFAULT 'open' CHECK (state IN ('open', 'stopped')),
    release text NOT NULL DEFAULT 'first_come' CHECK (release IN ('first_come', 'draw')),
    capacity smallint NOT NULL CHECK (capacity BETWEEN 1 AND 60),
    free smallint NOT NULL,              -- kept by trigger from the places
    has_free boolean GENERATED ALWAYS AS (free > 0) STORED, -- indexed instead of `free`: HOT updates
    busy smallint NOT NULL,              -- offered, taken
    told_free boolean NOT NULL DEFAULT true, -- what the record says of has_free (service/status.py)
    queue_id uuid,                       -- the queue of its release, once there is one (booking.queue)
    queue_until timestamptz,             -- so long only who was let in by it may take a public place
    CHECK (ends_at > starts_at AND ends_at <= starts_at + interval '60 minutes'),
    CHECK (free >= 0 AND busy >= 0 AND free + busy = capacity),
    CHECK ((queue_id IS NULL) = (queue_until IS NULL)),
    UNIQUE (clinic_id, starts_at)
) WITH (fillfactor = 70);
CREATE INDEX slot_starts ON booking.slot (starts_at, id) WHERE has_free;
CREATE INDEX slot_department ON booking.slot (department_code, starts_at, id) WHERE has_free;
CREATE INDEX slot_district ON booking.slot (district, starts_at, id) WHERE has_free;
CREATE INDEX slot_organisation ON booking.slot (organisation_id, starts_at, id);
CREATE INDEX slot_practitioner ON booking.slot (practitioner_id, starts_at, id);
CREATE INDEX slot_untold ON booking.slot (starts_at, id) WHERE state = 'open' AND has_free <> told_free;

-- A numbered place: exactly one pool, exactly one state. No counter says what the rows do not.
CREATE TABLE booking.place (
    slot_id uuid NOT NULL REFERENCES booking.slot (id),
    number smallint NOT NULL CHECK (number >= 1),
    pool booking.pool NOT NULL,
    state text NOT NULL DEFAULT 'free' CHECK (state IN ('free', 'offered', 'taken')),
    opens_at timestamptz NOT NULL,       -- release time; later again after a cancellation (random return)
    gives_back_at timestamptz,           -- unused, it turns public then
    is_kept boolean GENERATED ALWAYS AS (state = 'free' AND pool <> 'public') STORED,
    PRIMARY KEY (slot_id, number)
) WITH (fillfactor = 80);
CREATE INDEX place_gives_back ON booking.place (gives_back_at) WHERE is_kept;

-- Counting without joining the old rows to the new ones: PL/pgSQL keeps the plan of the first call,
-- and a nested loop chosen for one row takes 130 ms for a thousand (measured).
CREATE FUNCTION booking.count_places() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE booking.slot s
       SET free = s.free + d.free, busy = s.busy - d.free
      FROM (SELECT c.slot_id, sum(c.free)::smallint AS free
              FROM (SELECT slot_id, 1 AS free FROM new_rows WHERE state = 'free'
                    UNION ALL
                    SELECT slot_id, -1 FROM old_rows WHERE state = 'free') c
             GROUP BY c.slot_id) d
     WHERE s.id = d.slot_id AND d.free <> 0;
    RETURN NULL;
END $$;
CREATE TRIGGER count_places AFTER UPDATE ON booking.place
    REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows
    FOR EACH STATEMENT EXECUTE FUNCTION booking.count_places();

-- At the end of each transaction that adds or removes places, their number is the capacity.
CREATE FUNCTION booking.check_capacity() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE wrong uuid;
BEGIN
    SELECT s.id INTO wrong FROM booking.slot s
     WHERE s.id IN (SELECT DISTINCT slot_id FROM changed)
       AND (s.capacity, s.free) IS DISTINCT FROM
           (SELECT (count(*)::smallint, count(*) FILTER (WHERE p.state = 'free')::smallint)
              FROM booking.place p WHERE p.slot_id = s.id)
     LIMIT 1;
    IF wrong IS NOT NULL THEN
        RAISE EXCEPTION 'places of slot % do not add up to its capacity', wrong
            USING ERRCODE = 'check_violation', CONSTRAINT = 'place_capacity';
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER check_capacity_added AFTER INSERT ON booking.place
    REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION booking.check_capacity();
CREATE TRIGGER check_capacity_removed AFTER DELETE ON booking.place
    REFERENCING OLD TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION booking.check_capacity();

CREATE TABLE booking.booking (
    id uuid PRIMARY KEY,
    slot_id uuid NOT NULL,
    number smallint NOT NULL,
    pool booking.pool NOT NULL,
    clinic_id uuid NOT NULL,             -- this and the next three are the window's, copied by the statement
    organisation_id uuid NOT NULL,       -- that adds the row: no foreign keys, which lock the clinic each time
    department_code text NOT NULL,
    person_id uuid NOT NULL,
    starts_at timestamptz NOT NULL,
    state text NOT NULL CHECK (state IN ('booked', 'cancelled', 'moved', 'arrived', 'fulfilled', 'no_show', 'stopped')),
    channel text NOT NULL,
    acted_by uuid,                       -- the account that booked
    source text NOT NULL DEFAULT 'book' CHECK (source IN ('book', 'draw', 'waitlist', 'reschedule', 'replacement')),
    follows uuid REFERENCES booking.booking (id),   -- rescheduled or replaced from
    created_at timestamptz NOT NULL,
    arrived_at timestamptz,              -- when the arrival was noted; kept while seen, empty again when taken back
    ended_at timestamptz,
    reason text NOT NULL DEFAULT '',
    FOREIGN KEY (slot_id, number) REFERENCES booking.place (slot_id, number)
);
-- The two rules that races cannot get round: a place has one holder, a person one place a window.
CREATE UNIQUE INDEX booking_place_once ON booking.booking (slot_id, number)
    WHERE state IN ('booked', 'arrived', 'fulfilled', 'no_show');
CREATE UNIQUE INDEX booking_person_once ON booking.booking (person_id, starts_at)
    WHERE state IN ('booked', 'arrived');
CREATE INDEX booking_person ON booking.booking (person_id, starts_at);
CREATE INDEX booking_day ON booking.booking (organisation_id, starts_at);
CREATE INDEX booking_clinic ON booking.booking (clinic_id, starts_at);

CREATE TABLE booking.hold (              -- after too many no-shows (policy), with appeal
    id uuid PRIMARY KEY,
    person_id uuid NOT NULL,
    starts_at timestamptz NOT NULL,
    ends_at timestamptz NOT NULL,
    no_shows uuid[] NOT NULL,
    appeal text,
    appealed_at timestamptz,
    decision text CHECK (decision IN ('lifted', 'kept')),
    decided_by uuid,
    decided_at timestamptz,
    decision_reason text NOT NULL DEFAULT ''
);
CREATE INDEX hold_person ON booking.hold (person_id, ends_at);

CREATE TABLE booking.wait (              -- waiting list, and the offer made from it
    id uuid PRIMARY KEY,
    person_id uuid NOT NULL,
    clinic_id uuid NOT NULL REFERENCES booking.clinic (id),
    from_day date NOT NULL,
    to_day date NOT NULL,
    pool booking.pool NOT NULL DEFAULT 'public',
    state text NOT NULL CHECK (state IN ('waiting', 'offered', 'accepted', 'declined', 'expired', 'left')),
    channel text NOT NULL,
    acted_by uuid,
    created_at timestamptz NOT NULL,
    -- The turn (rules/wait.py): the civil day of joining, then a lot that is fixed for that day.
    joined_on date NOT NULL GENERATED ALWAYS AS ((created_at AT TIME ZONE 'Asia/Shanghai')::date) STORED,
    lot bigint NOT NULL GENERATED ALWAYS AS (
        ('x' || encode(substr(sha256(uuid_send(person_id) || uuid_send(clinic_id)
            || int4send((created_at AT TIME ZONE 'Asia/Shanghai')::date - DATE '2000-01-01')), 1, 8), 'hex'))::bit(64)::bigint) STORED,
    offer_slot_id uuid,
    offer_number smallint,
    offer_until timestamptz,
    booking_id uuid REFERENCES booking.booking (id),
    CHECK (to_day >= from_day),
    CHECK ((state = 'offered') <= (offer_slot_id IS NOT NULL AND offer_number IS NOT NULL AND offer_until IS NOT NULL)),
    FOREIGN KEY (offer_slot_id, offer_number) REFERENCES booking.place (slot_id, number)
);
CREATE UNIQUE INDEX wait_once ON booking.wait (person_id, clinic_id) WHERE state IN ('waiting', 'offered');
CREATE UNIQUE INDEX wait_offer_once ON booking.wait (offer_slot_id, offer_number) WHERE state = 'offered';
CREATE INDEX wait_until ON booking.wait (offer_until) WHERE state = 'offered';

CREATE TABLE booking.message (           -- what the person is told; sent by a port, read in the portal
    id uuid PRIMARY KEY,
    person_id uuid NOT NULL,
    kind text NOT NULL,
    facts jsonb NOT NULL,
    created_at timestamptz NOT NULL,
    read_at timestamptz
);
CREATE INDEX message_person ON booking.message (person_id, created_at DESC);

GRANT USAGE ON SCHEMA booking TO citycare_app;
GRANT SELECT, INSERT, UPDATE ON ALL TABLES IN SCHEMA booking TO citycare_app;
GRANT DELETE ON booking.template, booking.closure TO citycare_app;

INSERT INTO policy.parameter (key, effective_from, value, unit, source, status, note) VALUES
('booking.window.minutes_max', '2021-06-15', '60', 'min', '上海市“便捷就医服务”数字化转型工作方案(2021)场景一指标', 'VERIFIED', ''),
('booking.window.minutes_default', '2021-06-15', '30', 'min', '同上:鼓励有条件医疗机构控制在30分钟以内', 'VERIFIED', ''),
('booking.share.referral_percent', '2020-12-01', '20', '%', '北京:医联体核心医院预留20%号源给基层(十一省做法 一(四))', 'VERIFIED', ''),
('booking.share.elder_percent', '2020-12-01', '10', '%', '十一省做法 一(一):“一定比例的现场号源”,文件没有给出比例', 'UNVERIFIED', '由各市卫生健康委确定'),
('booking.limit.per_day', '2026-01-01', '2', '个/人/日', '各市自定', 'UNVERIFIED', '同一就诊日'),
('booking.limit.per_department_day', '2026-01-01', '1', '个/人/科/日', '各市自定', 'UNVERIFIED', '同一就诊日同一科室'),
('booking.limit.per_period', '2026-01-01', '6', '个/人', '各市自定', 'UNVERIFIED', '在约(未就诊)总数'),
('booking.horizon_days', '2026-01-01', '14', '天', '各市自定', 'UNVERIFIED', '最早提前几天放号'),
('booking.no_show.count', '2026-01-01', '3', '次', '通行做法,待核', 'UNVERIFIED', '12个月内爽约次数'),
('booking.no_show.months', '2026-01-01', '12', '月', '通行做法,待核', 'UNVERIFIED', ''),
('booking.no_show.hold_days', '2026-01-01', '90', '天', '各市自定', 'UNVERIFIED', '暂停线上预约的天数;窗口不停'),
('booking.cancel.before_min', '2026-01-01', '30', 'min', '各市自定', 'UNVERIFIED', '开始前多久还可取消'),
('booking.give_back.hours', '2026-01-01', '24', 'h', '各市自定', 'UNVERIFIED', '预留号源在开始前多久转为公开'),
('booking.return.min_minutes', '2026-01-01', '10', 'min', '各市自定', 'UNVERIFIED', '退号最短多久后重新放出'),
('booking.return.max_minutes', '2026-01-01', '120', 'min', '各市自定', 'UNVERIFIED', '退号最长多久后重新放出'),
('booking.offer.minutes', '2026-01-01', '120', 'min', '各市自定', 'UNVERIFIED', '候补通知的有效时间'),
('booking.elder.age', '2018-12-29', '60', '岁', '老年人权益保障法第二条', 'VERIFIED', '');
