"""Commands that show what travelled."""
