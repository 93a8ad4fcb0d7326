"""What crosses scenarios: a journey knows several of them; they do not know one another."""
