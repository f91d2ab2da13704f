"""Migrations of the job table, in the order of their numbers."""
