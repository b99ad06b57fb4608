"""Rules for Istio's kinds."""
