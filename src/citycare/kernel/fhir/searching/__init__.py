"""Search of R4: what is asked, read from a query; what a resource offers, taken out of it."""
