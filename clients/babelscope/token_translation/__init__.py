"""Unsupervised token translation by mean difference shift (Liu et al. 2020, section 4.2): means, sweeps, scores."""
