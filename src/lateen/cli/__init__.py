"""What people type: a module per command."""
