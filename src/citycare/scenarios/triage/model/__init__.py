"""Values of the triage."""
