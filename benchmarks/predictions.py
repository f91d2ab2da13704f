"""Predicted tokens: a sweep of shifts at every layer against one plain pass, in a model of multilingual BERT's size.

A sweep of L layers by A factors runs A L (L - 1) / 2 + L blocks, where one request a setting would run A L^2, and the
head once a setting. The head of a vocabulary of 119,547 costs as much as all twelve blocks: of the float32 operations
alone the sweep of 12 by 3 takes 27 plain passes, however well it shares.
"""

import tempfile
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path

import numpy as np
import torch
from transformers import AutoConfig, AutoModelForMaskedLM, AutoTokenizer
from transformers.utils import logging as transformers_logging

from benchmarks.encoder import PLAIN_BATCH, minilm_folder, news_texts
from benchmarks.rounds import alternate
from benchmarks.rows import Row, row
from services.encoder.engine import Engine
from services.encoder.loading import load_engine
from services.models.catalogue import ModelFiles
from services.models.spec import Edit, ModelSpec, PredictPlan

VOCABULARY = 119_547
ALPHAS = (1.0, 2.0, 3.0)
SWEEP_GOAL = 8.0
TEXTS = 48
_BENCH = "predictions"


def run(quick: bool = False) -> list[Row]:
    """Measures a plain pass against transformers, and sweeps against a plain pass."""
    transformers_logging.set_verbosity_error()
    transformers_logging.disable_progress_bar()
    texts = news_texts(8 if quick else TEXTS)
    rounds = 1 if quick else 3
    with tempfile.TemporaryDirectory() as scratch:
        folder = _multilingual_sized(Path(scratch))
        with closing(load_engine(ModelFiles(aliases={"model": folder}), ModelSpec("model"))) as engine:
            plain, theirs = _sweep(engine, texts, ()), _plain(folder, texts)
            speedup, _ = alternate(theirs, plain, rounds)
            rows = [
                row(_BENCH, "plain pass, speed-up", speedup, "x", against=f"transformers, batches of {PLAIN_BATCH}")
            ]
            for name, layers in (("12 layers x 3 factors", range(1, 13)), ("layers 7-11 x 3 factors", range(7, 12))):
                ratio, seconds = alternate(_sweep(engine, texts, layers), plain, rounds)
                goal = SWEEP_GOAL if len(layers) == 12 else None
                settings = len(layers) * len(ALPHAS)
                rows += [
                    row(_BENCH, f"{name}, time", seconds, "s"),
                    row(_BENCH, f"{name}, plain passes", ratio, "x", against="plain pass of the engine", at_most=goal),
                    row(_BENCH, f"{name}, plain passes", ratio / speedup, "x", against="plain pass of transformers"),
                    row(_BENCH, f"{name}, gain", settings / ratio, "x", against="a pass a setting"),
                ]
    return rows


def _sweep(engine: Engine, texts: Sequence[str], layers: Sequence[int]) -> Callable[[], object]:
    """Shifts at some layers by all factors; a plain pass, with log-probabilities, where there are no layers."""
    rng = np.random.default_rng(0)
    vectors = {layer: 0.05 * rng.standard_normal(engine.info.hidden_size).astype(np.float32) for layer in layers}
    settings = tuple((Edit(layer, vectors[layer], alpha),) for layer in layers for alpha in ALPHAS)
    # As `translate-tokens` asks: the likeliest token alone.
    plan = PredictPlan(settings or ((),), (engine.info.layers,), scores=not settings)
    return lambda: engine.predict(engine.tokenize(texts), plan)


def _plain(folder: Path, texts: Sequence[str]) -> Callable[[], object]:
    """What one writes with transformers: batches in order of arrival, the arg-max of each position's log-softmax."""
    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModelForMaskedLM.from_pretrained(folder, dtype=torch.float32).eval()

    @torch.inference_mode()
    def work() -> list[torch.Tensor]:
        found = []
        for first in range(0, len(texts), PLAIN_BATCH):
            some = list(texts[first : first + PLAIN_BATCH])
            batch = tokenizer(some, padding=True, truncation=True, return_tensors="pt")
            found.append(torch.log_softmax(model(**batch).logits, dim=-1).max(dim=-1).indices)
        return found

    return work


def _multilingual_sized(scratch: Path) -> Path:
    """A folder with a model of multilingual BERT's dimensions, random weights and MiniLM's tokenizer."""
    config = AutoConfig.for_model("bert", vocab_size=VOCABULARY)
    AutoModelForMaskedLM.from_config(config).save_pretrained(scratch)
    AutoTokenizer.from_pretrained(minilm_folder()).save_pretrained(scratch)
    return scratch
