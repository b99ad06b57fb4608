"""The incremental graph from objects to proxies' views."""
