"""Serving the page: a listener of its own, and what it is told live. Loaded by `lateen page`."""
