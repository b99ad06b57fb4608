"""The way of a request, from client to application, through the rules of `envoy`."""
