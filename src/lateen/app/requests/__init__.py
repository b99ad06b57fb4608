"""One real request: its target, its sending, its evidence."""
