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

variable "artifact" {
  description = "Digest of the build result that is run."
  type        = string
}

variable "containers" {
  description = "The containers, as in Score: name, command, args, variables, files, volumes, memory, readiness."
  type        = any
  sensitive   = true
}

variable "ports" {
  description = "The service's ports: name, port, target_port. The first one is what the host leads to."
  type        = any
  default     = []
}

variable "scale" {
  description = "How many of each process."
  type        = number
  default     = 1
}

variable "weight" {
  description = "Share of the requests in percent that this version gets while another one is there."
  type        = number
  default     = 100
}

variable "asleep" {
  description = "Whether nothing runs until somebody asks for something."
  type        = bool
  default     = false
}

variable "host" {
  description = "Host name that the router answers for; empty: none."
  type        = string
  default     = ""
}

resource "pave_workload" "this" {
  address    = var.address
  owner      = var.owner
  artifact   = var.artifact
  containers = jsonencode(var.containers)
  ports      = jsonencode(var.ports)
  scale      = var.scale
  weight     = var.weight
  asleep     = var.asleep
  host       = var.host
}

output "url" {
  description = "Where it answers."
  value       = pave_workload.this.url
}

output "host" {
  description = "Host name that the router answers for."
  value       = var.host
}

output "port" {
  description = "Port of the router."
  value       = pave_workload.this.port
}
