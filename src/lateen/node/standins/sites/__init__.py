"""The sites that the built-in web server can be: one function from request to answer each."""
