"""Rules for Kubernetes' kinds."""
