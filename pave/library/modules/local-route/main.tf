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

variable "host" {
  description = "Host name, such as the host of a dns resource."
  type        = string
}

variable "path" {
  description = "Everything below this path."
  type        = string
  default     = "/"
}

variable "port" {
  description = "Service port of the workload; 0 is its first."
  type        = number
  default     = 0
}

resource "pave_route" "this" {
  address = var.address
  owner   = var.owner
  host    = var.host
  path    = var.path
  port    = var.port
}

output "url" {
  description = "Where it answers."
  value       = pave_route.this.url
}

output "host" {
  description = "Host name."
  value       = var.host
}

output "path" {
  description = "Everything below this path."
  value       = var.path
}

output "port" {
  description = "Port of the router."
  value       = pave_route.this.router_port
}
