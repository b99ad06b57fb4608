"""Requests: logs joined to journeys, verdicts."""
