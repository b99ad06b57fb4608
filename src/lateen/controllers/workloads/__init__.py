"""Deployments, ReplicaSets, StatefulSets, DaemonSets."""
