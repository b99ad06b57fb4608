"""Saying beforehand what requests will do: on manifests alone, and in a lab."""
