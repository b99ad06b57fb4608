"""VirtualServices and Gateways to routes."""
