"""Images from elsewhere: registries and local engines."""
