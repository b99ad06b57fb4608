"""Small programs that answer as well-known images do. They import nothing else of lateen."""
