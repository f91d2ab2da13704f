"""Rows of activations: where they lie, which belong together, and how they are prepared."""
