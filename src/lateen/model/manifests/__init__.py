"""Manifests and the lines of their fields."""
