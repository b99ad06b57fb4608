"""How kinds are described, decoded and selected."""
