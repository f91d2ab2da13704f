"""DeMa (Zhou et al. 2019)."""
