"""Booking: a resident takes a precise place in a window of a clinic (R08 R11 R17)."""
