"""What holds of a model as a graph of ONNX Runtime, held against transformers' own modules with hooks."""

import numpy as np

from services.models.spec import Edit, EncodePlan, Pooling
from tests.support.encoder_pairs import PLAIN, Pair, reduced
from tests.support.tiny_models import mixed_texts

TOLERANCE = 2e-5
NO_LESS = 1e-5


def check_states(ours: Pair) -> None:
    """Every layer under every pooling equals one text at a time, and no text changes with those beside it."""
    every = _layers(ours)
    batch = ours.tokenize(mixed_texts(14, seed=1, longest=60))
    for pooling in PLAIN:
        together = ours.engine.encode(batch, EncodePlan(every, pooling))
        for text, rows in zip(batch, together, strict=True):
            np.testing.assert_allclose(rows, reduced(ours.states(text), text, pooling), atol=TOLERANCE, rtol=0)
            [alone] = ours.engine.encode([text], EncodePlan(every, pooling))
            np.testing.assert_allclose(rows, alone, atol=NO_LESS, rtol=0)
    chosen = ours.engine.encode(batch, EncodePlan((1, 0)))
    for rows, all_rows in zip(chosen, ours.engine.encode(batch, EncodePlan(every)), strict=True):
        np.testing.assert_array_equal(rows, all_rows[:, [1, 0]])


def check_edits(ours: Pair) -> None:
    """Shifts and maps at every layer, and several of them in order, equal forward hooks."""
    last = ours.engine.info.layers
    for layer in _layers(ours):
        for positions in ("non_special", "all"):
            _check(ours, (Edit(layer, _vector(ours, layer), 0.7, vector_positions=positions),))
            mapped = Edit(layer, matrix=_matrix(ours, layer), bias=_vector(ours, 9), matrix_positions=positions)
            _check(ours, (mapped,))
    _check(
        ours,
        (
            Edit(1, _vector(ours, 0), -1.5, matrix=_matrix(ours, 1)),
            Edit(1, matrix=_matrix(ours, 2), bias=_vector(ours, 3), matrix_positions="non_special"),
            Edit(0, _vector(ours, 4), 0.5, vector_positions="all"),
            Edit(last, _vector(ours, 5), 2.0),
            Edit(1, _vector(ours, 6), 0.25),
        ),
    )


def check_nothing(ours: Pair) -> None:
    """A shift of zero and the identity as a map change no bit."""
    every = _layers(ours)
    batch = ours.tokenize(mixed_texts(8, seed=12))
    identity = np.eye(ours.engine.info.hidden_size, dtype=np.float32)
    plain = ours.engine.encode(batch, EncodePlan(every, Pooling.TOKEN))
    for edits in (
        tuple(Edit(layer, _vector(ours, layer), 0.0) for layer in every),
        tuple(Edit(layer, matrix=identity) for layer in every),
    ):
        edited = ours.engine.encode(batch, EncodePlan(every, Pooling.TOKEN, edits))
        assert [rows.tobytes() for rows in plain] == [rows.tobytes() for rows in edited]


def _check(ours: Pair, edits: tuple[Edit, ...]) -> None:
    every = _layers(ours)
    batch = ours.tokenize(mixed_texts(4, seed=11, longest=30))
    for text, rows in zip(batch, ours.engine.encode(batch, EncodePlan(every, Pooling.TOKEN, edits)), strict=True):
        expected = reduced(ours.edited_states(text, edits), text, Pooling.TOKEN)
        if not np.allclose(rows, expected, atol=TOLERANCE, rtol=0):
            # Arbitrary edits may drive a model where rounding grows: no float32 is surer than the plain model's.
            truth = reduced(ours.in_float64().edited_states(text, edits), text, Pooling.TOKEN)
            doubt = 2 * float(np.abs(expected - truth).max())
            np.testing.assert_allclose(rows, expected, atol=TOLERANCE + doubt, rtol=0)


def _layers(ours: Pair) -> tuple[int, ...]:
    return tuple(range(ours.engine.info.layers + 1))


def _vector(ours: Pair, seed: int) -> np.ndarray:
    return (0.3 * np.random.default_rng(seed).normal(size=ours.engine.info.hidden_size)).astype(np.float32)


def _matrix(ours: Pair, seed: int) -> np.ndarray:
    size = ours.engine.info.hidden_size
    noise = np.random.default_rng(seed).normal(size=(size, size)) / size**0.5
    return (np.eye(size) + 0.2 * noise).astype(np.float32)
