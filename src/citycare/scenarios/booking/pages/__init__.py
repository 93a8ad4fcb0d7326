"""Pages of booking: residents first, then the clinic, the desk, the scheduler."""
