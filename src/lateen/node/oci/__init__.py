"""Images of registries: their documents, a client, a store, and unpacking."""
