"""Commands about objects, in kubectl's words."""
