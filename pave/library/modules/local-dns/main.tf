variable "stack" {
  description = "The stack: environment/component."
  type        = string
}

variable "domain" {
  description = "Domain below which workloads answer."
  type        = string
  default     = "localhost"
}

locals {
  parts = split("/", var.stack)
}

output "host" {
  description = "Host name: <component>.<environment>.<domain>."
  value       = "${local.parts[1]}.${local.parts[0]}.${var.domain}"
}
