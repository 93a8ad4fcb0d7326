"""From where it hurts to a booked place: triage, then booking; and the clinicians' commands."""
