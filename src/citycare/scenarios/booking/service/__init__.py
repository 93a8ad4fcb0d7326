"""The use cases of booking; each in its caller's transaction."""
