"""Transforms one after the other over a corpus of any size."""
