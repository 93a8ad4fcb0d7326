-- kernel.fhir: the terms of the first releases, which nobody reads any more.
-- squawk-ignore require-concurrent-index-deletion
DROP INDEX fhir.resource_terms;
-- squawk-ignore require-concurrent-index-deletion
DROP INDEX fhir.resource_order;
-- squawk-ignore ban-drop-column
ALTER TABLE fhir.resource DROP COLUMN terms, DROP COLUMN low, DROP COLUMN high;
