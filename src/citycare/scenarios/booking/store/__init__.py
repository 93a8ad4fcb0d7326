"""The SQL of the schema booking, and nothing else."""
