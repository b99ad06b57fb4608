"""The values that prediction takes and gives."""
