"""The control plane's records on PostgreSQL: one module per noun, one table definition for all."""
