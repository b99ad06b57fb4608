"""The Kubernetes Gateway API, as Istio reads it: its objects become Istio's."""
