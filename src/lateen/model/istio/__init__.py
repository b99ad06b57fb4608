"""Istio's kinds as structs."""
