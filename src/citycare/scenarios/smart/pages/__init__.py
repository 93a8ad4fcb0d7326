"""Pages: allowing an app, taking it back, opening one at work, registering them."""
