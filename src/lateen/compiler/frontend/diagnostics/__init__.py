"""What is said of objects: findings and status."""
