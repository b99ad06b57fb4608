"""Reconcilers: what Kubernetes' own controllers and Istio's injector would do."""
