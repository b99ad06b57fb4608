"""The mesh in its own terms: frozen values, each with the source that decided it.

Knows neither Kubernetes nor Envoy.
"""
