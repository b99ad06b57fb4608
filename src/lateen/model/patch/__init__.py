"""The four ways to change an object: JSON Patch, merge patch, strategic merge, apply. Pure."""
