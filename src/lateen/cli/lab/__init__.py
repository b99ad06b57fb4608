"""Commands about the lab as a whole."""
