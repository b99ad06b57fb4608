"""The lab's name server."""
