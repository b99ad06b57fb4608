"""Copies of a loaded Envoy."""
