"""What proxies report, as Telemetry changes it: metrics, and where spans go."""
