"""Texts to tokens: the tokenizer of a model folder, as its files describe it."""
