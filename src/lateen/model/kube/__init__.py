"""Kubernetes' kinds as structs."""
