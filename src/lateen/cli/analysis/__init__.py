"""Commands that judge manifests, or what a lab holds."""
