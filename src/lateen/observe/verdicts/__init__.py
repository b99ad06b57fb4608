"""What became of a request and why: its failure class, which fields decided, what helps. Pure."""
