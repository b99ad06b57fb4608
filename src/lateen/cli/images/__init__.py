"""`lateen image`: this user's images."""
