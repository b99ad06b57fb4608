"""Statements about all requests in a compiled state, and between two."""
