"""Sets of requests: a regular language for each field."""
