"""Manifests on their way to a lab: where they come from, and what is wrong with them."""
