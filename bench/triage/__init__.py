"""How well and how fast the triage works."""
