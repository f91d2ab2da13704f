"""Which texts share a padded batch, and where their tokens lie in it."""

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st

from services.models.general.padding import Rows, buckets

LENGTHS = st.lists(st.integers(1, 300), min_size=1, max_size=60)


@given(lengths=LENGTHS, budget=st.integers(1, 1000), workers=st.integers(1, 4), padded=st.booleans())
def test_every_text_is_in_one_batch_within_the_budget(
    lengths: list[int], budget: int, workers: int, padded: bool
) -> None:
    batches = buckets(lengths, budget, workers, padded=padded)
    assert sorted(place for batch in batches for place in batch.tolist()) == list(range(len(lengths)))
    for batch in batches:
        sizes = [lengths[place] for place in batch]
        assert len(batch) == 1 or max(sizes) * len(batch) <= budget
        assert padded or len(set(sizes)) == 1
        assert sizes == sorted(sizes, reverse=True)


def test_large_batches_hold_texts_of_similar_length() -> None:
    lengths = np.random.default_rng(0).lognormal(3, 0.8, 1000).astype(int).clip(1, 300)
    batches = buckets(lengths.tolist(), 1024, 2, padded=True)
    computed = sum(int(lengths[batch].max()) * len(batch) for batch in batches)
    assert computed < 1.1 * lengths.sum()


def test_few_texts_are_shared_out_among_the_workers() -> None:
    assert [len(batch) for batch in buckets([10] * 8, 1024, 2, padded=True)] == [4, 4]


def test_rows_of_tokens_there_and_back() -> None:
    hidden = torch.arange(24.0).view(2, 4, 3)
    rows = Rows(np.array([3, 2]), 3, 2, "cpu")
    seen: list[torch.Tensor] = []

    def double(rows_TD: torch.Tensor) -> torch.Tensor:
        seen.append(rows_TD)
        return rows_TD * 2

    changed = rows.changed(hidden, double)
    assert seen[0].tolist() == [[0, 1, 2], [3, 4, 5], [6, 7, 8], [12, 13, 14], [15, 16, 17], [0, 1, 2], [0, 1, 2]]
    expected = hidden.clone()
    expected[0, :3] *= 2
    expected[1, :2] *= 2
    assert torch.equal(changed, expected)
    assert rows.changed(hidden, lambda rows_TD: rows_TD) is hidden
