"""What is measured, watched and told: meters, charts, alerts, messages to people."""
