"""Admission plugins that need the lab: what is refused and what is warned of."""
