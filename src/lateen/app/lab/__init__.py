"""A lab's settings, places on disk, start and end."""
