"""Packet captures in pods, and what they tell of a hop."""
