terraform {
  required_providers {
    pave = {
      source = "pave.dev/pave/pave"
    }
  }
}

variable "address" {
  description = "Address of the resource: environment/component/resource."
  type        = string
}

variable "owner" {
  description = "Entity reference of the owner."
  type        = string
  default     = ""
}

resource "pave_bucket" "this" {
  address = var.address
  owner   = var.owner
}

output "bucket" {
  description = "Name of the bucket."
  value       = pave_bucket.this.bucket
}

output "access_key_id" {
  description = "Access key."
  value       = pave_bucket.this.access_key_id
}

output "secret_key" {
  description = "Secret key."
  value       = pave_bucket.this.secret_key
  sensitive   = true
}

output "endpoint" {
  description = "URL of the S3 server; buckets are in the path."
  value       = pave_bucket.this.endpoint
}

output "region" {
  description = "Region to sign for."
  value       = pave_bucket.this.region
}

output "aws_access_key_id" {
  description = "Access key."
  value       = pave_bucket.this.access_key_id
}

output "aws_secret_key" {
  description = "Secret key."
  value       = pave_bucket.this.secret_key
  sensitive   = true
}
