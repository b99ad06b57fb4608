"""Ways into the lab from the host, and from the lab to its pods."""
