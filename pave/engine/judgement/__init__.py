"""What the judge is told and what becomes of its word: facts, budgets, policies, approvals, waivers, trials."""
