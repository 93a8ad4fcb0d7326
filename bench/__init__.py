"""Benchmarks: each measures what an issue promised, in one run, and prints one JSON line."""
