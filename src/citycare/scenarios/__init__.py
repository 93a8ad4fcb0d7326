"""Bounded contexts of one shape; none imports another (docs/decisions/0002)."""
