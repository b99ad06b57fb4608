"""Reads and explains what travelled; writes nothing."""
