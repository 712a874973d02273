"""Is it allowed: guardrails judged on a plan, at every door the same."""
