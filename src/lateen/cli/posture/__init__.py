"""The commands about all requests: posture, diff, upgrade."""
