-- kernel.identity: somebody asks to act for another, or lets another act; the other side answers.
CREATE TABLE identity.request (
    id uuid PRIMARY KEY,
    way text NOT NULL CHECK (way IN ('act_for', 'be_acted_for')),
    asker_id uuid NOT NULL REFERENCES identity.person (id),
    other_id uuid REFERENCES identity.person (id),   -- null: nobody fits; the asker is not told
    other_name text NOT NULL CHECK (other_name <> ''),   -- as the asker typed it
    other_document text NOT NULL,        -- masked
    kind text NOT NULL CHECK (kind IN ('spouse', 'child', 'relative', 'friend')),
    scopes text[] NOT NULL CHECK (cardinality(scopes) > 0),
    ends_at timestamptz,                 -- of the relation asked for; null: until somebody ends it
    created_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL CHECK (expires_at > created_at),
    state text NOT NULL DEFAULT 'open' CHECK (state IN ('open', 'agreed', 'refused', 'withdrawn')),
    answered_at timestamptz,
    CHECK (other_id <> asker_id),
    CHECK ((state = 'open') = (answered_at IS NULL))
);
CREATE INDEX request_asker ON identity.request (asker_id, created_at);
CREATE INDEX request_other ON identity.request (other_id) WHERE state = 'open';
CREATE INDEX request_expires ON identity.request (expires_at);

GRANT SELECT, INSERT, UPDATE, DELETE ON identity.request TO citycare_app;

INSERT INTO policy.parameter (key, effective_from, value, unit, source, status, note) VALUES
('identity.request.days', '2026-01-01', '7', '天', '本平台自定', 'UNVERIFIED', '代办申请等对方答复的天数'),
('identity.request.open_max', '2026-01-01', '5', '件', '本平台自定', 'UNVERIFIED', '一个人同时在等答复的代办申请'),
('identity.request.day_max', '2026-01-01', '10', '件', '本平台自定', 'UNVERIFIED', '一个人 24 小时内提出的代办申请,防止骚扰'),
('identity.request.kept_days', '2026-01-01', '90', '天', '本平台自定', 'UNVERIFIED', '过期的代办申请保留多久后删除'),
('identity.child.unverified_max', '2026-01-01', '3', '人', '本平台自定', 'UNVERIFIED', '一位监护人线上登记、证件尚未核对的孩子;防止虚报人头抢号');
