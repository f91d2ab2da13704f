"""Babelscope's client library."""
