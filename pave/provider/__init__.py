"""What a cloud is on one machine: local servers, and the Terraform provider that offers them."""
