-- triage: which booking a dialogue led to; and the numbers to call that its pages name.
CREATE TABLE triage.led_to (
    booking_id uuid PRIMARY KEY,
    dialogue_id uuid NOT NULL REFERENCES triage.dialogue (id) ON DELETE CASCADE,
    created_at timestamptz NOT NULL
);
CREATE INDEX led_to_dialogue ON triage.led_to (dialogue_id);
GRANT SELECT, INSERT, DELETE ON triage.led_to TO citycare_app;

INSERT INTO policy.parameter (key, effective_from, value, unit, source, status, note) VALUES
('triage.crisis.phone', '2026-01-01', '"12356"', '', '国家卫生健康委 12356 全国统一心理援助热线', 'UNVERIFIED', '有人想伤害自己时页面上的心理援助电话,上线前请拨打核对'),
('triage.youth.phone', '2026-01-01', '"12355"', '', '共青团 12355 青少年服务台', 'UNVERIFIED', '未成年人自己来问时页面上的电话,上线前请拨打核对');
