"""What this machine's kernel lets a lab do: tried, not guessed."""
