"""What every server shares: start-up, health, limits, security, errors, store, telemetry."""
