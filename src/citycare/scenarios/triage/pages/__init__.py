"""The triage as pages: say where it hurts, answer, read the advice; and why, for clinicians."""
