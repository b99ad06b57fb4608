"""get, list and watch: what goes out."""
