"""The pipeline from stored objects to proxies."""
