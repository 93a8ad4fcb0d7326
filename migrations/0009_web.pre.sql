-- web: forms kept while their writer signs in again. Short-lived; sealed with the web key, so the
-- rows alone tell nothing. Shown for an hour, to their browser only; older ones are swept out, and
-- of one browser's the oldest, whenever another form is kept.
CREATE SCHEMA web;
CREATE TABLE web.kept_form (
    id uuid PRIMARY KEY,
    visitor_hash bytea NOT NULL,         -- sha256 of the browser's visitor mark: only it gets the form back
    sealed text NOT NULL CHECK (length(sealed) <= 200000),
    created_at timestamptz NOT NULL
);
CREATE INDEX kept_form_age ON web.kept_form (created_at);
CREATE INDEX kept_form_visitor ON web.kept_form (visitor_hash);
GRANT USAGE ON SCHEMA web TO citycare_app;
GRANT SELECT, INSERT, DELETE ON web.kept_form TO citycare_app;

-- The readiness check compares what is applied with what the program needs.
GRANT USAGE ON SCHEMA migration TO citycare_app;
GRANT SELECT ON migration.applied TO citycare_app;

INSERT INTO policy.parameter (key, effective_from, value, unit, source, status, note) VALUES
('web.elder.age', '2026-01-01', '65', '岁', '各市自定', 'UNVERIFIED', '首次登录时从几岁起默认长辈版;本人随时可切换');
