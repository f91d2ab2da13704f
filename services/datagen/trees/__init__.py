"""Dependency trees: checked, parsed from raw text, and reordered."""
