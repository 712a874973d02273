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

variable "size" {
  description = "How much the database may use: small, medium or large."
  type        = string
  default     = "small"
}

variable "connections" {
  description = "Connections at a time; 0 takes what the size gives (20, 50, 100)."
  type        = number
  default     = 0
}

variable "backup_days" {
  description = "Days for which nightly dumps are kept; 0 makes none."
  type        = number
  default     = 1
}

resource "pave_database" "this" {
  address     = var.address
  owner       = var.owner
  size        = var.size
  connections = var.connections
  backup_days = var.backup_days
}

output "host" {
  description = "Address of the server."
  value       = pave_database.this.host
}

output "port" {
  description = "Port of the server."
  value       = pave_database.this.port
}

output "name" {
  description = "Name of the database."
  value       = pave_database.this.name
}

output "database" {
  description = "Name of the database."
  value       = pave_database.this.name
}

output "username" {
  description = "The role that owns the database."
  value       = pave_database.this.username
}

output "password" {
  description = "The role's password."
  value       = pave_database.this.password
  sensitive   = true
}

output "socket" {
  description = "Folder of the server's Unix socket, for programs that can see it."
  value       = pave_database.this.socket
}

output "url" {
  description = "All of it as a URL, as applications want it in DATABASE_URL."
  value       = pave_database.this.url
  sensitive   = true
}
