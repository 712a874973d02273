"""What would change: a workload in an environment becomes a stack, a stack becomes a plan."""
