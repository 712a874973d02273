"""What happened: health, drift and what they mean."""
