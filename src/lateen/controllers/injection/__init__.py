"""Sidecar injection."""
