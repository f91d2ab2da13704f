"""Rows of texts kept in the store, shared by all encoders that use it."""
