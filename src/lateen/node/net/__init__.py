"""Links, addresses, routes and rules of the kernel."""
