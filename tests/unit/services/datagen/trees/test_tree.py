"""Trees: what is no tree is refused with the example's id; subtrees and projectivity."""

import pytest
from babelscope.data.examples import Sentence, Word
from hypothesis import given
from hypothesis import strategies as st

from services.datagen.trees.tree import tree_of
from services.runtime.errors import InvalidArgument
from tests.support.made_trees import is_contiguous, is_projective


def sentence(*heads: int | None) -> Sentence:
    return Sentence(tuple(Word(f"w{i}", head=head) for i, head in enumerate(heads, start=1)), "")


@pytest.mark.parametrize(
    ("heads", "problem"),
    [
        ((), "at least one word"),
        ((0, None), "word 2 ('w2') has none"),
        ((0, 3), "heads within 0..2, but word 2 ('w2') has 3"),
        ((0, 0), "Expected one root, but got 2"),
        ((2, 1), "Expected one root, but got 0"),
        ((0, 3, 2), "cycle through word 2"),
        ((0, 2), "cycle through word 2"),
        ((0, 4, 2, 3, 4), "cycle through word"),
    ],
)
def test_what_is_no_tree_is_refused_by_name(heads: tuple[int | None, ...], problem: str) -> None:
    with pytest.raises(InvalidArgument) as refused:
        tree_of(sentence(*heads), "n01001011")
    assert problem in refused.value.problem
    assert "'n01001011'" in refused.value.problem


def test_subtrees_and_gaps() -> None:
    tree = tree_of(sentence(2, 0, 2, 3, 1), "x")  # the fifth word hangs on the first
    assert tree.subtree(1) == [0, 1, 2, 3, 4]
    assert tree.subtree(0) == [0, 4]
    assert is_contiguous(tree, 2)
    assert not is_contiguous(tree, 0)
    assert not is_projective(tree)
    assert is_projective(tree_of(sentence(2, 0, 2, 3, 3), "x"))


def test_a_long_chain_needs_no_recursion() -> None:
    tree = tree_of(sentence(*range(5000)), "x")
    assert tree.subtree(0) == list(range(5000))


@given(st.lists(st.integers(0, 30), min_size=1, max_size=30))
def test_heads_come_before_their_dependents(draws: list[int]) -> None:
    heads = [0] + [draw % position + 1 for position, draw in enumerate(draws[1:], start=1)]
    tree = tree_of(sentence(*heads), "x")
    assert sorted(tree.order) == list(range(len(heads)))
    places = {word: place for place, word in enumerate(tree.order)}
    assert all(places[head] < places[word] for word, head in enumerate(tree.heads) if head >= 0)
