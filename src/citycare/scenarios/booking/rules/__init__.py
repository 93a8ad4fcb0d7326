"""What booking decides: pure functions."""
