"""What keeps containers in: ids of their own, a base of their own, filtered system calls."""
