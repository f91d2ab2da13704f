"""Activations to numbers."""
