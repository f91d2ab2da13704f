"""Predictions of fine-tuned models, in the process of the server."""
