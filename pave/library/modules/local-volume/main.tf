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

resource "pave_volume" "this" {
  address = var.address
  owner   = var.owner
}

output "source" {
  description = "What a container's volume names as its source."
  value       = pave_volume.this.source
}
