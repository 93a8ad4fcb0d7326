"""Decisions of the pre-consultation: pure, over plain values."""
