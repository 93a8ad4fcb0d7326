"""Pure decisions of the triage."""
