"""Pooling against sums written out."""

import numpy as np
import torch

from services.models.families.base import count_positions
from services.models.layers.blocks import Layout
from services.models.layers.packing import pack
from services.models.layers.pooling import pool
from services.models.spec import Pooling, TokenizedText

MASKS = ([1, 0, 0, 1], [1, 1, 0, 0, 0, 1], [1, 1], [0, 1, 0])


def _layout() -> Layout:
    batch = []
    for mask in MASKS:
        nowhere = np.zeros(len(mask), dtype=np.int32)
        batch.append(
            TokenizedText(np.arange(len(mask)), np.array(mask, dtype=bool), nowhere, nowhere, False, len(mask))
        )
    return Layout.of(pack(batch, np.arange(len(MASKS)), count_positions), "cpu")


def test_mean_leaves_special_tokens_out_and_is_zero_without_others() -> None:
    hidden = torch.arange(15.0)[:, None] * torch.tensor([1.0, -2.0])
    pooled = pool(hidden, _layout(), Pooling.MEAN)
    np.testing.assert_array_equal(pooled, np.array([1.5, 7.0, 0.0, 13.0])[:, None] * [1.0, -2.0])


def test_cls_is_the_first_token() -> None:
    hidden = torch.arange(15.0)[:, None]
    assert pool(hidden, _layout(), Pooling.CLS)[:, 0].tolist() == [0.0, 4.0, 10.0, 12.0]


def test_token_is_everything() -> None:
    hidden = torch.arange(15.0)[:, None]
    assert torch.equal(pool(hidden, _layout(), Pooling.TOKEN), hidden)


def test_long_means_agree_with_float64() -> None:
    size = 5000
    special = np.zeros(size, dtype=bool)
    nowhere = np.zeros(size, dtype=np.int32)
    text = TokenizedText(np.arange(size), special, nowhere, nowhere, False, size)
    layout = Layout.of(pack([text], np.array([0]), count_positions), "cpu")
    hidden = torch.randn(size, 6) + 3.0
    np.testing.assert_allclose(pool(hidden, layout, Pooling.MEAN)[0], hidden.double().mean(0), atol=1e-6)
