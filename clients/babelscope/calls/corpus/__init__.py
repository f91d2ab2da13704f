"""Calls that read a corpus and answer a fold of it: means of tokens and of words."""
