"""Values and errors of exchange."""
