"""Layers of an encoder on packed texts, and what may be done to their hidden states."""
