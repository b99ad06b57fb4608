"""The Gateway API: what is deployed for its Gateways, and what is said of its objects."""
