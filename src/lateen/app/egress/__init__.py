"""The way out of a lab: a relay on the host's side, and the names of what is outside."""
