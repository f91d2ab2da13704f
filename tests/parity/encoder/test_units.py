"""Rows of words, spans and positions equal plain means over transformers' own hidden states, one text at a time."""

from dataclasses import replace

import numpy as np
import pytest
from babelscope.v1 import text_pb2
from numpy.typing import NDArray
from transformers import AutoTokenizer

from services.encoder.api.units import written
from services.models.row_groups import chosen, spanned
from services.models.spec import Edit, EncodePlan, Pooling, TokenizedText
from tests.support.encoder_pairs import Pair
from tests.support.lines import LINES
from tests.support.tiny_models import mixed_texts

TOLERANCE = 2e-5
SENTENCES = [line.split() for line in (*LINES, *mixed_texts(12, seed=1, longest=30))]


def _expected(
    states: NDArray[np.float32], offsets: list[tuple[int, int]], spans: list[tuple[int, int]], *, first: bool
) -> NDArray[np.float64]:
    """[rows, K, d] from the definition: offsets that overlap a span, character by character."""
    rows, covered = [], [set(range(*offset)) for offset in offsets]
    for start, end in spans:
        inside = set(range(start, end))
        places = [place for place, letters in enumerate(covered) if inside & letters]
        wide = states[:, places[:1] if first else places].astype(np.float64)
        rows.append(wide.mean(1) if places else np.zeros((len(states), states.shape[2])))
    return np.stack(rows)


def _cut(twin: Pair, strings: list[str]) -> tuple[list[TokenizedText], list[list[tuple[int, int]]]]:
    limit = min(twin.engine.info.max_tokens, 128)
    theirs = AutoTokenizer.from_pretrained(twin.folder)(
        strings, truncation=True, max_length=limit, return_offsets_mapping=True
    )
    return twin.tokenize(strings, max_tokens=limit), [list(each) for each in theirs["offset_mapping"]]


def _edits(twin: Pair) -> tuple[Edit, ...]:
    vector = (0.1 * np.random.default_rng(0).standard_normal(twin.engine.info.hidden_size)).astype(np.float32)
    return (Edit(1, vector, 0.5), Edit(2, vector, -1.0, "all"))


def _span(rng: np.random.Generator, size: int) -> tuple[int, int]:
    start, end = sorted(rng.choice(size + 1, 2, replace=False).tolist())
    return start, end


@pytest.mark.parametrize("pooling", [Pooling.WORD_FIRST, Pooling.WORD_MEAN])
def test_words(twin: Pair, pooling: Pooling) -> None:
    first = pooling is Pooling.WORD_FIRST
    strings = [written(text_pb2.Text(id="w", words=words), "text") for words in SENTENCES]
    tokens, offsets = _cut(twin, [each.string for each in strings])
    batch = [
        replace(text, groups=spanned(text, each.words, first=first)) for text, each in zip(tokens, strings, strict=True)
    ]
    plan = EncodePlan(tuple(range(twin.engine.info.layers + 1)), pooling, _edits(twin))
    for rows, text, each, places in zip(twin.engine.encode(batch, plan), batch, strings, offsets, strict=True):
        states = twin.edited_states(text, plan.edits)
        expected = _expected(states, places, list(each.words), first=first)
        np.testing.assert_allclose(rows, expected, atol=TOLERANCE, rtol=0)
        [alone] = twin.engine.encode([text], plan)
        np.testing.assert_allclose(alone, rows, atol=1e-5, rtol=0)


def test_spans_and_positions(twin: Pair) -> None:
    rng = np.random.default_rng(5)
    strings = mixed_texts(16, seed=2, longest=40)
    tokens, offsets = _cut(twin, strings)
    layers = tuple(range(twin.engine.info.layers + 1))
    spans = [[_span(rng, len(each)) for _ in range(5)] for each in strings]
    batch = [replace(text, groups=spanned(text, each)) for text, each in zip(tokens, spans, strict=True)]
    for rows, text, each, places in zip(
        twin.engine.encode(batch, EncodePlan(layers, Pooling.SPAN)), batch, spans, offsets, strict=True
    ):
        expected = _expected(twin.states(text), places, each, first=False)
        np.testing.assert_allclose(rows, expected, atol=TOLERANCE, rtol=0)
    positions = [rng.integers(0, len(text), 3) for text in tokens]
    batch = [replace(text, groups=chosen(each)) for text, each in zip(tokens, positions, strict=True)]
    for rows, text, each in zip(
        twin.engine.encode(batch, EncodePlan(layers, Pooling.TOKEN)), batch, positions, strict=True
    ):
        np.testing.assert_allclose(rows, twin.states(text)[:, each].transpose(1, 0, 2), atol=TOLERANCE, rtol=0)
