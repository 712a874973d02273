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

variable "max_size" {
  description = "Room for messages; the oldest go first."
  type        = string
  default     = "64Mi"
}

variable "max_age" {
  description = "How long a message is kept at most."
  type        = string
  default     = "7d"
}

variable "retention" {
  description = "When messages go: limits, workqueue (once one consumer took it) or interest (once all did)."
  type        = string
  default     = "limits"
}

resource "pave_queue" "this" {
  address   = var.address
  owner     = var.owner
  max_size  = var.max_size
  max_age   = var.max_age
  retention = var.retention
}

output "host" {
  description = "Address of the server."
  value       = pave_queue.this.host
}

output "port" {
  description = "Port of the server."
  value       = pave_queue.this.port
}

output "username" {
  description = "The user."
  value       = pave_queue.this.username
}

output "password" {
  description = "The user's password."
  value       = pave_queue.this.password
  sensitive   = true
}

output "stream" {
  description = "Name of the stream."
  value       = pave_queue.this.stream
}

output "subject" {
  description = "Subject to publish to; everything below it is kept too."
  value       = pave_queue.this.subject
}

output "url" {
  description = "All of it as a URL."
  value       = pave_queue.this.url
  sensitive   = true
}
