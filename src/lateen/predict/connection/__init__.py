"""A connection that a proxy has, and the one it opens onward."""
