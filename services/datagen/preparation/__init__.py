"""Corpora made ready for pretraining: normalised, segmented, sampled, in sub-words, in streams of one length."""
