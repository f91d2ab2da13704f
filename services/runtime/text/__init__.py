"""Words of running text in any script, and the longest entries of a vocabulary in it."""
