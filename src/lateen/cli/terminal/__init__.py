"""What a terminal may show: width, colour, progress, and commands as they are typed here."""
