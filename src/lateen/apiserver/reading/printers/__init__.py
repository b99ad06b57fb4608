"""The columns of `kubectl get`, kind by kind, as a cluster prints them. Pure."""
