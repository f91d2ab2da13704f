"""Corpora and models to models and scores."""
