"""Decisions of the app server: scopes, addresses, requests, assertions. Pure."""
