"""SQL of the triage; only its own service calls it."""
