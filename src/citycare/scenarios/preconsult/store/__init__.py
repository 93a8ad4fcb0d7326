"""SQL of the pre-consultation; only its own service calls it."""
