"""Envoy's own rules, one module a subject. Nothing here knows of Istio."""
