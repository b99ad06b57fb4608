"""Namespaces, scheduling and garbage collection."""
