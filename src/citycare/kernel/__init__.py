"""The shared kernel, upper may use lower: fhir > consent > identity > audit > events > context."""
