"""The connection to a lab's API server."""
