"""create, update, patch and delete: what comes in."""
