"""Tools that know nothing of health: errors, HTTP map, ids, clock, database, pages."""
