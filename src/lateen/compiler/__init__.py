"""Kubernetes and Istio objects to Envoy resources, through the mesh IR.

Pure: a function of its input.
"""
