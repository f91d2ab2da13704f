"""Rows of a word table and their sparse gradient, against torch's dense one."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from services.models.layers.lookup import looked_up, merged
from tests.support.gradients import gradient_of

ROWS, WIDTH = 11, 3


@given(st.lists(st.lists(st.integers(0, ROWS - 1), max_size=30), min_size=1, max_size=3))
def test_gradients_of_batches_are_those_of_the_whole_table(batches: list[list[int]]) -> None:
    torch.manual_seed(0)
    first = torch.randn(ROWS, WIDTH)
    ours, theirs = nn.Parameter(first.clone()), nn.Parameter(first.clone())
    for batch in batches:
        ids, weights = torch.tensor(batch, dtype=torch.int64), torch.randn(len(batch), WIDTH)
        found, expected = looked_up(ours, ids), torch.index_select(theirs, 0, ids)
        assert torch.equal(found, expected)
        for each in (found, expected):
            (each * weights).sum().backward()
    assert ours.grad is not None
    assert ours.grad.is_sparse
    whole = merged(ours.grad)
    numbers = whole._indices()[0]
    assert torch.equal(numbers, torch.tensor(sorted({each for batch in batches for each in batch}), dtype=torch.int64))
    torch.testing.assert_close(whole.to_dense(), theirs.grad)


def test_a_table_that_is_also_a_head_has_one_dense_gradient() -> None:
    torch.manual_seed(0)
    table = nn.Parameter(torch.randn(ROWS, WIDTH))
    ids = torch.tensor([3, 3, 7])
    (looked_up(table, ids) @ table.T).square().sum().backward()
    twin = table.detach().clone().requires_grad_()
    (twin[ids] @ twin.T).square().sum().backward()
    torch.testing.assert_close(gradient_of(table), twin.grad)


@pytest.mark.parametrize("wanted", [True, False])
def test_without_gradients_rows_are_plain(wanted: bool) -> None:
    table = torch.randn(ROWS, WIDTH, requires_grad=wanted)
    with torch.no_grad():
        assert not looked_up(table, torch.tensor([1])).requires_grad
    assert looked_up(table, torch.tensor([1])).requires_grad is wanted
