"""Sign-in: OpenID Connect, second factor, sessions, tokens. Import from the modules below."""
