"""A client of the Kubernetes API: HTTP, list and watch, informers, Events."""
