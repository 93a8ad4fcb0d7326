"""Use cases of the triage."""
