-- scenarios.booking: what schedules, the finder and stopped clinics need beside 0007.

-- A way to say the name of a hospital, department, doctor or district: the name, its tails (so
-- that a prefix search finds the middle), nicknames, lay names, pinyin, initials. Thousands of
-- rows, not one per clinic: a word is looked up here, the clinics then by their own columns.
CREATE TABLE booking.word (
    part text COLLATE "C" NOT NULL CHECK (part <> ''),
    kind text NOT NULL CHECK (kind IN ('hospital', 'department', 'doctor', 'district')),
    key text NOT NULL,                   -- organisation id, department name, practitioner id, district code
    name text NOT NULL,                  -- what a suggestion shows
    whole boolean NOT NULL,              -- a way people say it, not a tail of one
    PRIMARY KEY (part, kind, key)
);
CREATE INDEX word_key ON booking.word (key, kind);
-- squawk-ignore require-concurrent-index-creation
CREATE INDEX clinic_department_name ON booking.clinic (department_name);
-- squawk-ignore require-concurrent-index-creation
CREATE INDEX clinic_district ON booking.clinic (district);

-- The head of the waiting list: people whose clinic was stopped and who got no other place.
ALTER TABLE booking.wait ADD COLUMN ahead boolean NOT NULL DEFAULT false;
-- squawk-ignore require-concurrent-index-creation
CREATE INDEX wait_turn ON booking.wait (clinic_id, ahead DESC, joined_on, lot, id) WHERE state = 'waiting';

-- After a stop each person holds the replacement at once. Unanswered, it stays their booking.
CREATE TABLE booking.replacement (
    booking_id uuid PRIMARY KEY REFERENCES booking.booking (id),   -- the new one
    replaces uuid NOT NULL UNIQUE REFERENCES booking.booking (id), -- the stopped one
    person_id uuid NOT NULL,
    why text NOT NULL CHECK (why IN ('same_doctor', 'same_half_day')),
    answer_until timestamptz NOT NULL,
    answer text CHECK (answer IN ('accepted', 'moved', 'cancelled', 'unanswered')),
    answered_at timestamptz
);
CREATE INDEX replacement_open ON booking.replacement (answer_until) WHERE answer IS NULL;
CREATE INDEX replacement_person ON booking.replacement (person_id) WHERE answer IS NULL;

GRANT SELECT, INSERT, UPDATE, DELETE ON booking.word TO citycare_app;
GRANT SELECT, INSERT, UPDATE ON booking.replacement TO citycare_app;

INSERT INTO policy.parameter (key, effective_from, value, unit, source, status, note) VALUES
('booking.share.percents', '2020-12-01', '{"onsite": 0, "followup": 0}', '%', '各市自定', 'UNVERIFIED', '排班没有写明号源分配时,现场和复诊各留多少;社区转诊和长者的比例另有规定'),
('booking.release.clock', '2026-01-01', '{"public": "07:00", "referral": "07:00", "onsite": "06:30", "elder": "07:00", "followup": "07:00"}', '时刻', '各市自定', 'UNVERIFIED', '各类号源的放号时刻'),
('booking.release.days_extra', '2026-01-01', '{"public": 0, "referral": 7, "elder": 0, "followup": 14}', '天', '各市自定', 'UNVERIFIED', '比公开号源早几天放号;现场号源当天放'),
('booking.give_back.onsite_minutes', '2026-01-01', '60', 'min', '各市自定', 'UNVERIFIED', '现场号源在开始前多久转为公开'),
('booking.replacement.days_max', '2026-01-01', '7', '天', '各市自定', 'UNVERIFIED', '停诊后改约最多晚几天'),
('booking.replacement.notice_minutes', '2026-01-01', '120', 'min', '各市自定', 'UNVERIFIED', '改约的号至少在多久之后'),
('booking.replacement.answer_hours', '2026-01-01', '24', 'h', '各市自定', 'UNVERIFIED', '停诊改约的答复时间;不答复即按改约就诊');
