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

variable "memory" {
  description = "Room for data."
  type        = string
  default     = "32Mi"
}

variable "eviction" {
  description = "What happens when the room is used up: allkeys-lru, allkeys-lfu, volatile-lru, volatile-ttl or noeviction."
  type        = string
  default     = "allkeys-lru"
}

resource "pave_cache" "this" {
  address  = var.address
  owner    = var.owner
  memory   = var.memory
  eviction = var.eviction
}

output "host" {
  description = "Address of the server."
  value       = pave_cache.this.host
}

output "port" {
  description = "Port of the server."
  value       = pave_cache.this.port
}

output "username" {
  description = "The user."
  value       = pave_cache.this.username
}

output "password" {
  description = "The user's password."
  value       = pave_cache.this.password
  sensitive   = true
}

output "url" {
  description = "All of it as a URL."
  value       = pave_cache.this.url
  sensitive   = true
}
