"""Clusters and endpoints (CDS, EDS)."""
