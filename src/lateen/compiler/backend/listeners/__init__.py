"""Listeners and what their chains hold (LDS)."""
