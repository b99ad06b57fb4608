"""Which process stands in for which container image."""
