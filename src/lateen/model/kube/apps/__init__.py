"""Kinds that make pods."""
