"""Encoders of any kind that transformers has: its own modules, whose blocks are found, proven and hooked."""
