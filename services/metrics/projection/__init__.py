"""Coordinates of the rows of several views on axes that are fitted to all of them together."""
