"""Who may do what: accounts, roles and their rules."""
