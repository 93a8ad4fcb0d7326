"""The SQL of the app server."""
