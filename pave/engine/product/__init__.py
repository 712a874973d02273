"""The platform as a product: what is used and missed, how components score, what it comes to."""
