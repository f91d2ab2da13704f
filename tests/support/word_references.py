"""Retrieval of words by brute force over the whole matrix of scores in float64."""

import numpy as np


def ranks(x, y, gold, k=10):
    """By similarity: ranks of left queries, ranks of right queries; of the best right answer, ties before it."""
    x, y = (np.asarray(rows, float) / np.linalg.norm(np.asarray(rows, float), axis=1, keepdims=True) for rows in (x, y))
    cosine = x @ y.T
    mean_t = np.sort(cosine, axis=1)[:, -k:].mean(axis=1)
    mean_s = np.sort(cosine, axis=0)[-k:].mean(axis=0)
    scored = {"cosine": cosine, "csls": 2 * cosine - mean_t[:, None] - mean_s}
    right = np.zeros(cosine.shape, bool)
    right[gold.left, gold.right] = True
    found = {}
    for name, scores in scored.items():
        both = []
        for each, answers in ((scores, right), (scores.T, right.T)):
            queries = np.flatnonzero(answers.any(axis=1))
            one = []
            for query in queries:
                best = each[query, answers[query]].max()
                one.append(1 + np.count_nonzero(each[query, ~answers[query]] >= best - 1e-11))
            both.append(np.array(one))
        found[name] = tuple(both)
    return found
