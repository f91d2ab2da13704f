"""Corpora to corpora."""
