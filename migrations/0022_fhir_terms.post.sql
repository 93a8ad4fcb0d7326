-- kernel.fhir: the terms of the first releases, which nobody reads any more.
DROP INDEX fhir.resource_terms;
DROP INDEX fhir.resource_order;
ALTER TABLE fhir.resource DROP COLUMN terms, DROP COLUMN low, DROP COLUMN high;
