"""Estimates with intervals, chance levels and signatures."""
