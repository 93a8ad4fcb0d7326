-- kernel.audit: searching a span of days. Entries come in the order of time, so a few bytes a
-- block (BRIN) are enough, and an appending rush pays next to nothing for it.
-- squawk-ignore require-concurrent-index-creation
CREATE INDEX entry_at ON audit.entry USING brin (at_us) WITH (autosummarize = on);
