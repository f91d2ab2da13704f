"""Sufficient statistics of rows and of pairs of rows: one pass, mergeable."""
