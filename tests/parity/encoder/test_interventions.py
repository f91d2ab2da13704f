"""Edits of a request equal forward hooks on the plain model."""

from collections.abc import Iterable, Sequence

import numpy as np
import pytest
from numpy.typing import NDArray

from services.models.spec import Edit, EncodePlan, Pooling, Positions, TokenizedText
from tests.support.encoder_pairs import PLAIN, Pair, reduced
from tests.support.tiny_models import mixed_texts

TOLERANCE = 2e-5


def _vector(twin: Pair, seed: int) -> np.ndarray:
    return (0.3 * np.random.default_rng(seed).normal(size=twin.engine.info.hidden_size)).astype(np.float32)


def _matrix(twin: Pair, seed: int) -> np.ndarray:
    """A map as gentle as one between two languages: a larger one makes a trained model amplify rounding."""
    size = twin.engine.info.hidden_size
    noise = np.random.default_rng(seed).normal(size=(size, size)) / size**0.5
    return (np.eye(size) + 0.2 * noise).astype(np.float32)


def _check(twin: Pair, several: Iterable[tuple[Edit, ...]], poolings: Sequence[Pooling] = (Pooling.TOKEN,)) -> None:
    """Holds each of several edits against the hooks on the plain model, under each pooling."""
    layers = tuple(range(twin.engine.info.layers + 1))
    batch = twin.tokenize(mixed_texts(5, seed=11, longest=30))
    for edits in several:
        states = [twin.edited_states(text, edits) for text in batch]
        for pooling in poolings:
            found = twin.engine.encode(batch, EncodePlan(layers, pooling, edits))
            for text, rows, plain in zip(batch, found, states, strict=True):
                expected = reduced(plain, text, pooling)
                if not np.allclose(rows, expected, atol=TOLERANCE, rtol=0):
                    doubt = _doubt(twin, text, edits, pooling, expected)
                    np.testing.assert_allclose(rows, expected, atol=TOLERANCE + doubt, rtol=0)


def _doubt(
    twin: Pair, text: TokenizedText, edits: tuple[Edit, ...], pooling: Pooling, expected: NDArray[np.float64]
) -> float:
    """Arbitrary edits may drive a trained model where rounding grows: no float32 is surer than the plain model's."""
    truth = reduced(twin.in_float64().edited_states(text, edits), text, pooling)
    return 2 * float(np.abs(expected - truth).max())


def test_the_hooks_see_what_transformers_reports(twin: Pair) -> None:
    [text] = twin.tokenize(["the river rose"])
    np.testing.assert_array_equal(twin.edited_states(text, ()), twin.states(text))


@pytest.mark.parametrize("positions", ["non_special", "all"])
def test_shift_at_every_layer(twin: Pair, positions: Positions) -> None:
    layers = range(twin.engine.info.layers + 1)
    _check(twin, [(Edit(layer, _vector(twin, layer), 0.7, vector_positions=positions),) for layer in layers])


@pytest.mark.parametrize("positions", ["non_special", "all"])
def test_map_at_every_layer(twin: Pair, positions: Positions) -> None:
    _check(
        twin,
        [
            (Edit(layer, matrix=_matrix(twin, layer), bias=_vector(twin, layer), matrix_positions=positions),)
            for layer in range(twin.engine.info.layers + 1)
        ],
    )


def test_several_edits_in_order(twin: Pair) -> None:
    last = twin.engine.info.layers
    edits = (
        Edit(1, _vector(twin, 0), -1.5, matrix=_matrix(twin, 1)),
        Edit(1, matrix=_matrix(twin, 2), bias=_vector(twin, 3), matrix_positions="non_special"),
        Edit(0, _vector(twin, 4), 0.5, vector_positions="all"),
        Edit(last, _vector(twin, 5), 2.0),
        Edit(1, _vector(twin, 6), 0.25),
    )
    _check(twin, [edits], PLAIN)


def test_a_shift_of_zero_changes_no_bit(twin: Pair) -> None:
    layers = tuple(range(twin.engine.info.layers + 1))
    batch = twin.tokenize(mixed_texts(20, seed=12))
    for pooling in PLAIN:
        plain = twin.engine.encode(batch, EncodePlan(layers, pooling))
        edits = tuple(Edit(layer, _vector(twin, layer), 0.0) for layer in layers)
        shifted = twin.engine.encode(batch, EncodePlan(layers, pooling, edits))
        for one, other in zip(plain, shifted, strict=True):
            assert one.tobytes() == other.tobytes()


def test_edits_leave_earlier_layers_alone(twin: Pair) -> None:
    batch = twin.tokenize(mixed_texts(5, seed=13))
    layers = tuple(range(twin.engine.info.layers + 1))
    plain = twin.engine.encode(batch, EncodePlan(layers))
    edited = twin.engine.encode(batch, EncodePlan(layers, edits=(Edit(2, _vector(twin, 0), 1.0),)))
    for one, other in zip(plain, edited, strict=True):
        np.testing.assert_array_equal(one[:, :2], other[:, :2])
        assert (np.abs(one[:, 2:] - other[:, 2:]).max(axis=(0, 2)) > 1e-3).all()
