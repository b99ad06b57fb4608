"""What a well-formed object may still not say: `dispatch.validate` knows every kind. Pure."""
