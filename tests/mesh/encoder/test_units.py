"""Rows of words, spans and positions over the wire."""

from typing import Any

import numpy as np
from babelscope.v1 import model_pb2, text_pb2

from tests.support.encoder_calls import encode, spec, texts, units

TEXT = "the old cat sees a bird"


async def test_words_spans_and_positions_are_rows_of_the_tokens(serve: Any) -> None:
    server = await serve()
    every = (await encode(server.stub, spec(pooling=model_pb2.POOLING_TOKEN), texts(TEXT))).arrays[0]
    assert len(every) == 8
    words = units(words=TEXT.split())
    for pooling in (model_pb2.POOLING_WORD_FIRST, model_pb2.POOLING_WORD_MEAN):
        answer = await encode(server.stub, spec(pooling=pooling), words)
        np.testing.assert_allclose(answer.arrays[0], every[1:-1], atol=1e-5)
    some = units(text=TEXT, words=["old", "bird"])
    answer = await encode(server.stub, spec(pooling=model_pb2.POOLING_WORD_MEAN), some)
    np.testing.assert_allclose(answer.arrays[0], every[[2, 6]], atol=1e-5)
    spans = units(text=TEXT, spans=[text_pb2.Span(start=4, end=11), text_pb2.Span(start=0, end=1)])
    answer = await encode(server.stub, spec(pooling=model_pb2.POOLING_SPAN), spans)
    np.testing.assert_allclose(answer.arrays[0], [every[2:4].mean(0), every[1]], atol=1e-5)
    chosen = units(text=TEXT, positions=[7, 0, 7])
    answer = await encode(server.stub, spec(pooling=model_pb2.POOLING_TOKEN), chosen)
    np.testing.assert_allclose(answer.arrays[0], every[[7, 0, 7]], atol=1e-5)
    assert answer.finished.empty_rows == 0


async def test_what_has_no_piece_is_zero_and_counted(serve: Any) -> None:
    server = await serve()
    words = units(words=["the", "\u200b", "cat"])
    answer = await encode(server.stub, spec(pooling=model_pb2.POOLING_WORD_MEAN), words)
    assert list(answer.items[0].empty_rows) == [1]
    assert answer.finished.empty_rows == 1
    assert not answer.arrays[0][1].any()
    assert answer.arrays[0][[0, 2]].any(axis=(1, 2)).all()
    space = units(text=TEXT, spans=[text_pb2.Span(start=3, end=4), text_pb2.Span(start=0, end=3)])
    answer = await encode(server.stub, spec(pooling=model_pb2.POOLING_SPAN), space)
    assert list(answer.items[0].empty_rows) == [0]


async def test_what_was_cut_off_is_zero_and_what_was_cut_in_part_keeps_the_rest(serve: Any) -> None:
    server = await serve()
    short = {"max_tokens": 5, "overflow": text_pb2.OVERFLOW_TRUNCATE}
    every = (await encode(server.stub, spec(pooling=model_pb2.POOLING_TOKEN, **short), texts(TEXT))).arrays[0]
    assert len(every) == 5
    spans = [text_pb2.Span(start=4, end=23), text_pb2.Span(start=17, end=18)]
    answer = await encode(server.stub, spec(pooling=model_pb2.POOLING_SPAN, **short), units(text=TEXT, spans=spans))
    assert answer.items[0].truncated
    assert list(answer.items[0].empty_rows) == [1]
    np.testing.assert_allclose(answer.arrays[0][0], every[2:4].mean(0), atol=1e-5)
