-- exchange: of a Subscription that an app stored, which app it was, and what it may tell that app.
ALTER TABLE exchange.owner
    ADD COLUMN app_id uuid,              -- of smart.client; null: no app stored it
    ADD COLUMN types text[];             -- that the app may read wholly; null: no app, or all
