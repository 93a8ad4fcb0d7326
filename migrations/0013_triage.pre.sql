-- triage: one dialogue a row: what was said and answered, and the last advice. Of somebody who is
-- not signed in nothing else is kept, and that not for long.
CREATE SCHEMA triage;
CREATE TABLE triage.dialogue (
    id uuid PRIMARY KEY,                 -- 122 random bits: of nobody's, it is all the permission needed
    person_id uuid,                      -- whom it is about; null: nobody is signed in
    account_id uuid,                     -- who asks
    text text NOT NULL CHECK (length(text) <= 20000),
    age_years double precision CHECK (age_years >= 0 AND age_years < 150),
    sex text NOT NULL DEFAULT '' CHECK (sex IN ('', 'female', 'male')),
    answers jsonb NOT NULL DEFAULT '[]' CHECK (jsonb_typeof(answers) = 'array'),
    advice jsonb NOT NULL,
    knowledge text NOT NULL,             -- version of the knowledge that gave the advice
    urgency text NOT NULL CHECK (urgency IN ('now', 'today', 'week', 'routine', 'self_care')),
    department_code text NOT NULL,       -- recommended first
    state text NOT NULL CHECK (state IN ('asking', 'advised', 'stopped')),
    channel text NOT NULL,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL CHECK (updated_at >= created_at),
    CHECK ((account_id IS NULL) <= (person_id IS NULL)),
    CHECK ((state = 'stopped') = (urgency = 'now'))
);
CREATE INDEX dialogue_person ON triage.dialogue (person_id, created_at DESC) WHERE person_id IS NOT NULL;
CREATE INDEX dialogue_nobody ON triage.dialogue (updated_at) WHERE person_id IS NULL;
CREATE INDEX dialogue_day ON triage.dialogue (created_at);

GRANT USAGE ON SCHEMA triage TO citycare_app;
GRANT SELECT, INSERT, UPDATE, DELETE ON triage.dialogue TO citycare_app;

INSERT INTO policy.parameter (key, effective_from, value, unit, source, status, note) VALUES
('triage.nobody.kept_hours', '2026-01-01', '24', 'h', '本平台自定', 'UNVERIFIED', '未登录者的分诊对话保留多久后删除'),
('triage.minor.age', '2021-01-01', '14', '岁', '个人信息保护法第三十一条', 'VERIFIED', '不满14岁的请家长一起来;儿科的年龄界限由各市自定');
