"""Models to activations."""
