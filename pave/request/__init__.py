"""What is wanted: intents, and whether this actor may ask for them."""
