"""A request inside a connection manager: filters, route, router."""
