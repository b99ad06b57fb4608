"""The Kubernetes API: the one front door."""
