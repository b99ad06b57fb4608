"""The kinds of the Kubernetes Gateway API."""
