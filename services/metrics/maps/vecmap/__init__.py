"""VecMap (Artetxe et al. 2017, 2018)."""
