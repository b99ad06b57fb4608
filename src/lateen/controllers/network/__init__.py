"""Endpoints, addresses, the ingress gateway."""
