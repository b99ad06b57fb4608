"""Lateen: an Istio service mesh on one machine, without a cluster."""

__version__ = "0.1.0"
