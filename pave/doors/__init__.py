"""The ways in: REST and events, the portal, Terraform state. Thin, and unaware of each other."""
