"""What exchange decides: pure functions."""
