"""The discovery service: who has which configuration, and what each proxy said of it."""
