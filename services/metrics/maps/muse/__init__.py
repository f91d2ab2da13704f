"""MUSE (Lample et al. 2018)."""
