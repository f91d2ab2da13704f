"""Sweeps: a grid to its jobs, and their figures to means over seeds at the best setting."""
