"""Datasets in the store, and what is read from them."""
