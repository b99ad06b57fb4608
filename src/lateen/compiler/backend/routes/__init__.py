"""Route tables (RDS)."""
