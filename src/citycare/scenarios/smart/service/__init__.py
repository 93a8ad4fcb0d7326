"""Use cases of the app server."""
