"""Transforms of corpora: one file a transform."""
