"""Versioned objects behind one interface: in memory, and in SQLite."""
