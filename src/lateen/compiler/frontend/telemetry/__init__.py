"""What proxies report, as Telemetry changes it: metrics."""
