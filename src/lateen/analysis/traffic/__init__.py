"""What the compiled mesh tells: who speaks what to whom, which rules nobody follows."""
