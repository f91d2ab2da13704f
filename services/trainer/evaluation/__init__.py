"""Predictions of a fine-tuned model, and their figures."""
