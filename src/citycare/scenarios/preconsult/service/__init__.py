"""Use cases of the pre-consultation."""
