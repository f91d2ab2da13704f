from itertools import product

import networkx
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from services.trainer.tasks.trees import best_tree


def _is_tree(heads: tuple[int, ...]) -> bool:
    for start in range(1, len(heads) + 1):
        word, seen = start, set()
        while word:
            if word in seen:
                return False
            seen.add(word)
            word = heads[word - 1]
    return True


def _score(scores: np.ndarray, heads: tuple[int, ...]) -> float:
    return float(sum(scores[word, head] for word, head in enumerate(heads)))


def _brute_force(scores: np.ndarray) -> float:
    words = len(scores)
    candidates = product(range(words + 1), repeat=words)
    return max(_score(scores, heads) for heads in candidates if heads.count(0) == 1 and _is_tree(heads))


@pytest.mark.parametrize("words", [1, 2, 3, 4, 5])
def test_the_tree_is_the_best_of_all_with_one_root(words: int) -> None:
    rng = np.random.default_rng(words)
    for _ in range(40):
        scores = rng.normal(size=(words, words + 1)) * rng.choice([0.01, 1.0, 30.0])
        heads = tuple(best_tree(scores).tolist())
        assert heads.count(0) == 1
        assert _is_tree(heads)
        assert _score(scores, heads) == pytest.approx(_brute_force(scores), abs=1e-9)


@given(
    st.integers(1, 4).flatmap(
        lambda words: arrays(np.float64, (words, words + 1), elements=st.integers(-2, 2).map(float))
    )
)
def test_ties_too_give_a_best_tree_with_one_root(scores: np.ndarray) -> None:
    heads = tuple(best_tree(scores).tolist())
    assert heads.count(0) == 1
    assert _is_tree(heads)
    assert _score(scores, heads) == _brute_force(scores)


def test_long_sentences_agree_with_networkx() -> None:
    rng = np.random.default_rng(0)
    for words in (12, 30):
        scores = rng.normal(size=(words, words + 1))
        scores[:, 0] -= 1000.0
        graph = networkx.DiGraph()
        for word in range(words):
            for head in range(words + 1):
                if head != word + 1:
                    graph.add_edge(head, word + 1, weight=scores[word, head])
        best = networkx.maximum_spanning_arborescence(graph)
        expected = [next(iter(best.predecessors(word))) for word in range(1, words + 1)]
        assert best_tree(scores).tolist() == expected


def test_several_roots_that_would_score_more_are_not_taken() -> None:
    scores = np.array([[10.0, 0.0, -5.0], [10.0, -5.0, 0.0]])
    scores[0, 2], scores[1, 1] = -1.0, -2.0
    assert best_tree(scores).tolist() == [2, 0]


def test_a_sentence_without_words_has_an_empty_tree() -> None:
    assert best_tree(np.zeros((0, 1))).shape == (0,)


def test_a_long_chain_of_cycles_is_contracted() -> None:
    rng = np.random.default_rng(1)
    scores = rng.normal(size=(300, 301))
    scores[np.arange(0, 300, 2), np.arange(2, 301, 2)] = 50.0
    scores[np.arange(1, 300, 2), np.arange(1, 300, 2)] = 50.0
    heads = tuple(best_tree(scores).tolist())
    assert heads.count(0) == 1
    assert _is_tree(heads)
