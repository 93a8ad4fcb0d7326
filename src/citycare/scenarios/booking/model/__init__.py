"""What booking is about: plain frozen values and its errors."""
