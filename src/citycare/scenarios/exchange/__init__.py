"""Exchange: the record's door, FHIR R4 over HTTP."""
