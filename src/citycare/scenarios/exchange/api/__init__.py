"""The door: FHIR R4 over HTTP at `/fhir/R4`."""
