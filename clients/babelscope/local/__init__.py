"""A mesh on this machine."""
