"""Alignment of languages within an encoder: edits of the texts of a language, and adversarial training of a layer."""
