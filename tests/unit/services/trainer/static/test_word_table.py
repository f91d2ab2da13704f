"""Static vectors: by hand, of planted classes, whatever the order of documents, and in a model's file."""

from pathlib import Path

import numpy as np
import pytest
from babelscope.data.jobs.architecture import Architecture

from services.trainer.pretraining.start import draw_model
from services.trainer.pretraining.vocabularies import Vocabularies
from services.trainer.static.word_table import _of_portion, _positive_information, static_vectors, write_word_table
from tests.support.pretraining import ENTRIES, vocabulary


def test_tokens_occur_together_by_document_and_by_window() -> None:
    """Two documents of two and three tokens, a window of one, by hand; order within a pair does not matter."""
    counts = _of_portion([[0, 1], [1, 2, 0]], 3, 1).toarray()
    np.fill_diagonal(counts, 0)
    # Documents: 0-1 twice, 0-2 once, 1-2 once. Neighbours: 0-1 once, 1-2 once, 0-2 once.
    assert counts.tolist() == [[0, 3, 2], [3, 0, 2], [2, 2, 0]]


def test_information_is_positive_symmetric_in_its_zeros_and_never_of_a_token_with_itself() -> None:
    found = _positive_information(_of_portion([[0, 1, 0], [2, 3, 2], [0, 1], [2, 3]], 4, 2)).toarray()
    assert (found.diagonal() == 0).all()
    assert (found[:2, :2][[0, 1], [1, 0]] > 0).all()
    assert (found[:2, 2:] == 0).all()


def test_tokens_in_the_same_company_have_like_vectors() -> None:
    """Tokens 0..9 and 10..19 speak of two things; each of 20..39 stands with one of them alone."""
    rng = np.random.default_rng(0)
    documents = []
    for number in range(3000):
        about = number % 10
        documents.append([about + 10 * int(rng.integers(2)), 20 + about, 30 + about, int(rng.integers(40, 60))])
    vectors = static_vectors(documents, 60, 12, window=2)
    assert vectors.shape == (60, 12)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    likeness = vectors[:10] @ vectors[10:20].T
    assert (likeness.argmax(axis=1) == np.arange(10)).all()


def test_documents_count_in_any_order_and_a_token_that_never_occurs_is_random() -> None:
    documents = [[0, 1, 2], [2, 3], [1, 3, 4, 0], [5, 2]]
    one, other = (static_vectors(listed, 8, 3) for listed in (documents, documents[::-1]))
    np.testing.assert_allclose(np.abs(one[:6]), np.abs(other[:6]), atol=1e-4)
    np.testing.assert_allclose(np.linalg.norm(one[6:], axis=1), 1, atol=1e-5)


def test_a_vocabulary_must_be_larger_than_the_width() -> None:
    with pytest.raises(ValueError, match="Expected `vocabulary` above `width`, 8, but got 8"):
        static_vectors([[0, 1]], 8, 8)


def test_the_word_table_of_a_model_is_replaced_and_nothing_else(tmp_path: Path) -> None:
    from safetensors.numpy import load_file

    architecture = Architecture("modernbert", 2, 32, 2, 64, 32, 0.1)
    folder = draw_model(tmp_path / "model", architecture, Vocabularies(vocabulary()), "the vocabulary", seed=0)
    before = load_file(Path(folder.path) / "model.safetensors")
    table = "model.embeddings.tok_embeddings.weight"
    vectors = static_vectors([[0, 1, 2], [3, 4]], len(ENTRIES), 32)
    write_word_table(folder, table, vectors)
    after = load_file(Path(folder.path) / "model.safetensors")
    assert (after[table] == vectors).all()
    assert before.keys() == after.keys()
    assert all((before[name] == after[name]).all() for name in before if name != table)
    with pytest.raises(ValueError, match="Expected vectors of shape"):
        write_word_table(folder, table, vectors[:5])
