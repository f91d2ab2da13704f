"""Packed hidden states equal transformers' own `output_hidden_states`."""

from collections.abc import Callable
from contextlib import closing
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch.nn.utils.rnn import pad_sequence
from transformers import AutoModelForMaskedLM, AutoTokenizer

from services.encoder.backends.workers import Workers
from services.encoder.loading import load_engine
from services.models.catalogue import ModelFiles
from services.models.layers import linear
from services.models.spec import EncodePlan, ModelSpec, Pooling, TokenizedText
from tests.support.encoder_pairs import PLAIN, Pair, reduced
from tests.support.products import Products
from tests.support.tiny_models import CONFIGURATIONS, build_model, mixed_texts

TOLERANCE = 2e-5


def _all_layers(twin: Pair) -> tuple[int, ...]:
    return tuple(range(twin.engine.info.layers + 1))


def _made_up(rng: np.random.Generator, size: int, twin: Pair) -> TokenizedText:
    [told] = twin.tokenize(["a"])
    special = np.zeros(size, dtype=bool)
    special[[0, -1]] = True
    nowhere = np.zeros(size, dtype=np.int32)
    ids = rng.integers(5, twin.engine.info.vocabulary_size, size)
    return TokenizedText(ids, special, nowhere, nowhere, False, size, language=told.language)


def test_tokens_are_those_of_transformers(twin: Pair) -> None:
    family = twin.engine.info.family
    texts = [*mixed_texts(60), "", "a", "🦉 e\u0301 naïve\u00a0x", "[MASK] <mask> [UNK]"]
    limit = min(twin.engine.info.max_tokens, 128)
    theirs = AutoTokenizer.from_pretrained(twin.folder)(
        texts, truncation=True, max_length=limit, return_special_tokens_mask=True, return_offsets_mapping=True
    )
    ours = twin.tokenize(texts, max_tokens=limit)
    for place, text in enumerate(ours):
        expected = theirs["input_ids"][place]
        if twin.engine.info.languages and text.language is None:
            # transformers puts its default language before every text, ours the language of the text.
            assert twin.engine.pieces(text.ids[:1]) == [{"m2m_100": "deu_Latn", "mbart": "fr_XX"}[family]]
            expected = [int(text.ids[0]), *expected[1:]]
        assert text.ids.tolist() == expected
        assert text.special.astype(int).tolist() == theirs["special_tokens_mask"][place]
        offsets = [tuple(pair) for pair in theirs["offset_mapping"][place]]
        assert list(zip(text.starts.tolist(), text.ends.tolist(), strict=True)) == offsets
        assert text.truncated == (text.full_length > limit)


def test_every_layer_alone_and_in_a_mixed_batch(twin: Pair) -> None:
    batch = twin.tokenize(mixed_texts(36, longest=60))
    rng = np.random.default_rng(3)
    batch += [_made_up(rng, size, twin) for size in (3, 4, 5, 64, 65, 199, 200)]
    states = [twin.states(text) for text in batch]
    for pooling in PLAIN:
        plan = EncodePlan(_all_layers(twin), pooling)
        together = twin.engine.encode(batch, plan)
        for text, packed, plain in zip(batch, together, states, strict=True):
            expected = reduced(plain, text, pooling)
            assert packed.dtype == np.float32
            assert packed.shape == expected.shape
            np.testing.assert_allclose(packed, expected, atol=TOLERANCE, rtol=0)
        for place in (0, 5, 36, 42):
            [alone] = twin.engine.encode([batch[place]], plan)
            np.testing.assert_allclose(alone, together[place], atol=1e-5, rtol=0)


def test_padded_batches_of_transformers_agree(twin: Pair) -> None:
    batch = twin.tokenize(mixed_texts(12, seed=4, longest=20), max_tokens=100)
    alone = [twin.inputs(text) for text in batch]
    padding = {"input_ids": twin.plain.config.pad_token_id, "langs": 0}
    padded = {
        name: pad_sequence([inputs[name][0] for inputs in alone], True, padding[name])
        for name in alone[0]
        if name != "lang_ids"
    }
    if "lang_ids" in alone[0]:
        padded["lang_ids"] = torch.cat([inputs["lang_ids"] for inputs in alone])
    mask = pad_sequence([torch.ones(len(text), dtype=torch.int64) for text in batch], True)
    with torch.no_grad():
        states = twin.plain(**padded, attention_mask=mask, output_hidden_states=True).hidden_states
    ours = twin.engine.encode(batch, EncodePlan(_all_layers(twin), Pooling.TOKEN))
    for place, rows in enumerate(ours):
        expected = torch.stack([state[place, : rows.shape[0]] for state in states], dim=1).numpy()
        np.testing.assert_allclose(rows, expected, atol=TOLERANCE, rtol=0)


def test_layer_subsets_in_any_order_and_early_exit(twin: Pair) -> None:
    batch = twin.tokenize(mixed_texts(10, seed=5))
    everything = twin.engine.encode(batch, EncodePlan(_all_layers(twin)))
    for layers in ((0,), (1,), (2, 0), (twin.engine.info.layers, 1, 0), (1, 1)):
        for part, whole in zip(twin.engine.encode(batch, EncodePlan(layers)), everything, strict=True):
            np.testing.assert_array_equal(part, whole[:, layers])


def test_bfloat16_stays_near(twin: Pair) -> None:
    batch = twin.tokenize(mixed_texts(20, seed=6))
    layers = _all_layers(twin)
    exact = np.concatenate(twin.engine.encode(batch, EncodePlan(layers)))
    rough = np.concatenate(twin.engine.encode(batch, EncodePlan(layers, dtype="bfloat16")))
    cosine = (exact * rough).sum(-1) / np.linalg.norm(exact, axis=-1) / np.linalg.norm(rough, axis=-1)
    assert (cosine > 0.999).all()
    assert not np.array_equal(exact[:, 1:], rough[:, 1:])


def test_a_processor_without_bfloat16_never_multiplies_in_it(twin: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    """The rounded numbers are multiplied in float32: some forty times faster there, and as near."""
    monkeypatch.setattr(linear, "has_fast_bfloat16", lambda: False)
    monkeypatch.setattr(Workers, "run", lambda _, work, items: [work(item) for item in items])  # seen by `Products`
    batch = twin.tokenize(mixed_texts(6, seed=6))
    plan = EncodePlan(_all_layers(twin), dtype="bfloat16")
    files = ModelFiles(aliases={"model": twin.folder})
    with closing(load_engine(files, ModelSpec("model"), threads=1)) as engine, Products() as products:
        rough = np.concatenate(engine.encode(batch, plan))
    assert products.types == {torch.float32}
    exact = np.concatenate(twin.engine.encode(batch, replace(plan, dtype="float32")))
    cosine = (exact * rough).sum(-1) / np.linalg.norm(exact, axis=-1) / np.linalg.norm(rough, axis=-1)
    assert (cosine > 0.999).all()
    assert not np.array_equal(exact[:, 1:], rough[:, 1:])


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(sizes=st.lists(st.integers(2, 200), min_size=1, max_size=24), seed=st.integers(0, 2**32 - 1))
def test_results_do_not_depend_on_the_batch(twin: Pair, sizes: list[int], seed: int) -> None:
    rng = np.random.default_rng(seed)
    batch = [_made_up(rng, size, twin) for size in sizes]
    plan = EncodePlan(_all_layers(twin), Pooling.TOKEN)
    chosen = int(rng.integers(len(batch)))
    together = twin.engine.encode(batch, plan)[chosen]
    [alone] = twin.engine.encode([batch[chosen]], plan)
    np.testing.assert_allclose(together, alone, atol=1e-5, rtol=0)
    expected = reduced(twin.states(batch[chosen]), batch[chosen], Pooling.TOKEN)
    np.testing.assert_allclose(together, expected, atol=TOLERANCE, rtol=1e-5)  # some states are near 10


@pytest.mark.parametrize("size", [17, 18, 255, 256, 257, 300, 700, 1024])
def test_modernbert_beyond_its_window(pair: Callable[[str], Pair], size: int) -> None:
    twin = pair("modernbert")
    rng = np.random.default_rng(size)
    batch = [_made_up(rng, length, twin) for length in (size, size, 9, size)]
    plan = EncodePlan(_all_layers(twin), Pooling.TOKEN)
    for text, packed in zip(batch, twin.engine.encode(batch, plan), strict=True):
        expected = reduced(twin.states(text), text, Pooling.TOKEN)
        np.testing.assert_allclose(packed, expected, atol=TOLERANCE, rtol=0)


@pytest.mark.parametrize("family", ["roberta", "xlm-roberta", "camembert"])
def test_a_padding_token_written_in_a_text_keeps_its_position(pair: Callable[[str], Pair], family: str) -> None:
    twin = pair(family)
    [text] = twin.tokenize(["the river <pad> rose <pad><pad> in the night"])
    assert (text.ids == twin.plain.config.pad_token_id).sum() == 3
    [rows] = twin.engine.encode([text], EncodePlan(_all_layers(twin), Pooling.TOKEN))
    np.testing.assert_allclose(rows, reduced(twin.states(text), text, Pooling.TOKEN), atol=TOLERANCE, rtol=0)


@pytest.mark.parametrize("family", CONFIGURATIONS)
def test_checkpoints_with_a_head_load_the_same_encoder(family: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = build_model(family, tmp_path_factory.mktemp("head"), head=True, seed=2)
    twin = Pair.of(folder)
    whole = AutoModelForMaskedLM.from_pretrained(folder, dtype=torch.float32).eval()
    assert twin.engine.info.predicts_tokens
    batch = twin.tokenize(mixed_texts(4, seed=7))
    for text, rows in zip(batch, twin.engine.encode(batch, EncodePlan(_all_layers(twin), Pooling.TOKEN)), strict=True):
        with torch.no_grad():
            out = whole(input_ids=torch.from_numpy(text.ids)[None], output_hidden_states=True)
        expected = torch.cat(out.hidden_states).numpy().transpose(1, 0, 2)
        np.testing.assert_allclose(rows, expected, atol=TOLERANCE, rtol=0)
    twin.engine.close()


def test_as_near_to_float64_as_transformers(twin: Pair) -> None:
    batch = twin.tokenize(mixed_texts(16, seed=8, longest=60))
    exact = twin.in_float64()
    ours = theirs = 0.0
    for text, rows in zip(batch, twin.engine.encode(batch, EncodePlan(_all_layers(twin), Pooling.TOKEN)), strict=True):
        truth = reduced(exact.states(text), text, Pooling.TOKEN)
        ours = max(ours, float(np.abs(rows - truth).max()))
        theirs = max(theirs, float(np.abs(reduced(twin.states(text), text, Pooling.TOKEN) - truth).max()))
    assert ours <= 3 * theirs + 1e-6
