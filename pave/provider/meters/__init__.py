"""What measures the local cloud, each part for itself, without anything asked of applications."""
