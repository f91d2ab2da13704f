"""Static vectors of a vocabulary, with which the word table of a new model can begin.

Counts of what occurs together are turned into positive pointwise mutual information, which is factorised: Levy and
Goldberg 2014, "Neural word embedding as implicit matrix factorization", contexts smoothed by 0.75. A small model on
little text learns what words mean from there much sooner than from random numbers.
"""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from safetensors.torch import load_file, save_file

from services.models.files.checkpoint import SINGLE_FILE
from services.models.files.folders import ModelFolder

Vectors = NDArray[np.float32]
_SMOOTHING: Final = 0.75
"""Exponent of the contexts' frequencies."""
_OVERSAMPLING, _ITERATIONS = 10, 4
"""Of the randomised factorisation (Halko, Martinsson and Tropp 2011, algorithm 4.4)."""
_PORTION: Final = 8192
"""Documents counted at once."""


def static_vectors(
    documents: Iterable[Sequence[int]], vocabulary: int, width: int, *, window: int = 5, seed: int = 0
) -> Vectors:
    """[V, d] float32: a vector of each token, rows of length 1; a token that occurs with no other is random.

    Tokens occur together once for each document that has both, and once more for each time they are within the window.

    Args:
        documents: Ids of the tokens of each document.
        vocabulary: Rows, V.
        width: Columns, d.
        window: Tokens to each side.
        seed: Seed of the factorisation, and of the vectors of tokens that do not occur.

    Raises:
        ValueError: The vocabulary is no larger than the width.
    """
    if vocabulary <= width:
        raise ValueError(f"Expected `vocabulary` above `width`, {width}, but got {vocabulary}")
    together = _positive_information(_counts(documents, vocabulary, window))
    generator = np.random.default_rng(seed)
    vectors = _factor(together, width, generator)
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    strangers = generator.standard_normal(vectors.shape)
    vectors = np.where(lengths > 0, vectors, strangers)
    unit: Vectors = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
    return unit


def write_word_table(folder: ModelFolder, table: str, vectors: Vectors) -> None:
    """Replace the word table of a new model.

    Args:
        folder: The model.
        table: Name of the tensor in its file.
        vectors: [V, d].

    Raises:
        ValueError: The table has another shape.
    """
    import torch

    path = Path(folder.path) / SINGLE_FILE
    tensors = load_file(path)
    if tuple(tensors[table].shape) != vectors.shape:
        raise ValueError(f"Expected vectors of shape {tuple(tensors[table].shape)}, but got {vectors.shape}")
    tensors[table] = torch.from_numpy(vectors)
    save_file(tensors, path, metadata={"format": "pt"})


def _counts(documents: Iterable[Sequence[int]], vocabulary: int, window: int) -> Any:
    """[V, V] sparse, symmetric: how often two tokens occur together."""
    from scipy import sparse

    total = sparse.csr_matrix((vocabulary, vocabulary), dtype=np.float32)
    held: list[Sequence[int]] = []
    for document in documents:
        held.append(document)
        if len(held) == _PORTION:
            total += _of_portion(held, vocabulary, window)
            held = []
    return total + _of_portion(held, vocabulary, window) if held else total


def _of_portion(documents: Sequence[Sequence[int]], vocabulary: int, window: int) -> Any:
    from scipy import sparse

    tokens = np.concatenate([np.asarray(each, dtype=np.int64) for each in documents])
    owners = np.repeat(np.arange(len(documents)), [len(each) for each in documents])
    within = sparse.csr_matrix(
        (np.ones(len(tokens), dtype=np.float32), (owners, tokens)), shape=(len(documents), vocabulary)
    )
    within.data[:] = 1
    before, after = [], []
    for distance in range(1, window + 1):
        same = owners[distance:] == owners[:-distance]
        before.append(tokens[:-distance][same])
        after.append(tokens[distance:][same])
    places = np.concatenate(before or [tokens[:0]]), np.concatenate(after or [tokens[:0]])
    ones = np.ones(len(places[0]), dtype=np.float32)
    near = sparse.coo_matrix((ones, places), shape=(vocabulary, vocabulary)).tocsr()
    return within.T @ within + near + near.T


def _positive_information(counts: Any) -> Any:
    """[V, V] sparse: positive pointwise mutual information, contexts smoothed; nothing of a token with itself."""
    from scipy import sparse

    counts = (counts - sparse.diags(counts.diagonal())).tocoo()
    counts.eliminate_zeros()
    rows = np.asarray(counts.sum(axis=1)).ravel()
    total = rows.sum()
    contexts = rows**_SMOOTHING
    contexts *= total / max(contexts.sum(), 1.0)
    information = np.log(counts.data * total / (rows[counts.row] * contexts[counts.col]))
    kept = information > 0
    return sparse.csr_matrix(
        (information[kept].astype(np.float32), (counts.row[kept], counts.col[kept])), shape=counts.shape
    )


def _factor(matrix: Any, width: int, generator: np.random.Generator) -> NDArray[np.float64]:
    """[V, d]: left singular vectors, each times the root of its singular value."""
    basis = matrix @ generator.standard_normal((matrix.shape[1], width + _OVERSAMPLING)).astype(np.float32)
    for _ in range(_ITERATIONS):
        basis, _ = np.linalg.qr(basis)
        basis, _ = np.linalg.qr(matrix.T @ basis)
        basis = matrix @ basis
    basis, _ = np.linalg.qr(basis)
    inner, values, _ = np.linalg.svd((matrix.T @ basis).T, full_matrices=False)
    vectors: NDArray[np.float64] = (basis @ inner)[:, :width] * np.sqrt(values[:width])
    return vectors
