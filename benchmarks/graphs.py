"""ONNX Runtime against PyTorch: packed float32 and bfloat16, graphs in float32 and int8, and a plain loop, in one run.

256 texts of news lengths, every layer mean-pooled without special tokens, from strings to rows; one text alone as well.
Rounds interleave all contestants; each ratio is of one round, and the median counts. Time on the clock means little
where others use the cores too: then seconds of a core, over all threads, are the better figure.
"""

import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any, Final

import numpy as np
from transformers import AutoConfig, AutoModel, AutoTokenizer
from transformers.utils import logging as transformers_logging

from benchmarks.encoder import PLAIN_BATCH, minilm_folder, news_texts, plain_loop
from benchmarks.rows import Row, row
from services.encoder.engine import Engine
from services.encoder.graphs.shelf import Graphs
from services.encoder.loading import load_engine
from services.models.catalogue import ModelFiles
from services.models.spec import ComputeType, EncodePlan, GraphType, ModelSpec
from services.runtime.files.store import Store

TEXTS: Final = 256
ROUNDS: Final = 7
ALONE: Final = 16
"""Texts that are encoded one by one."""
ENGINES: Final[dict[str, tuple[GraphType | None, ComputeType]]] = {
    "packed float32": (None, "float32"),
    "packed bfloat16": (None, "bfloat16"),
    "ONNX float32": ("float32", "float32"),
    "ONNX int8": ("int8", "int8"),
}
FIRST: Final = "packed float32"


def run(quick: bool = False) -> list[Row]:
    """All figures: MiniLM and a BERT-base-sized model of random weights."""
    transformers_logging.set_verbosity_error()
    transformers_logging.disable_progress_bar()
    texts = news_texts(48 if quick else TEXTS)
    minilm = minilm_folder()
    with tempfile.TemporaryDirectory() as scratch:
        rows = _figures("graphs MiniLM-L6", minilm, texts, 1 if quick else ROUNDS)
        if not quick:
            base = Path(scratch)
            AutoModel.from_config(AutoConfig.for_model("bert", vocab_size=30522)).save_pretrained(base)
            AutoTokenizer.from_pretrained(minilm).save_pretrained(base)
            rows += _figures("graphs BERT-base size", base, texts, ROUNDS)
    return rows


def _figures(bench: str, folder: Path, texts: Sequence[str], rounds: int) -> list[Row]:
    """The figures of one model."""
    files = ModelFiles(aliases={"model": folder})
    rows: list[Row] = []
    with tempfile.TemporaryDirectory() as place, ExitStack() as stack:
        graphs = Graphs(Store(place))
        engines: dict[str, Engine] = {}
        for name, (graph, _) in ENGINES.items():
            for _time in ("first", "again") if graph else ("first",):
                began = time.perf_counter()
                engine = load_engine(files, ModelSpec("model", graph=graph), graphs=graphs)
                seconds = time.perf_counter() - began
                if graph:
                    figure = "export and load" if _time == "first" else "load from the store"
                    rows.append(row(bench, f"{name}, {figure}", seconds, "s"))
            engines[name] = stack.enter_context(closing(engine))
        rows += _errors(bench, engines, texts)
        many = {name: _work(engine, texts, ENGINES[name][1]) for name, engine in engines.items()}
        many[f"plain loop of batches of {PLAIN_BATCH}"] = plain_loop(folder, texts)
        rows += _speeds(bench, many, rounds, len(texts))
        few = {name: _one_by_one(engine, texts[:ALONE], ENGINES[name][1]) for name, engine in engines.items()}
        rows += _speeds(f"{bench}, one text alone", few, rounds, ALONE)
    return rows


def _layers(engine: Engine) -> tuple[int, ...]:
    return tuple(range(engine.info.layers + 1))


def _work(engine: Engine, texts: Sequence[str], dtype: ComputeType) -> Callable[[], Any]:
    """All texts, from strings to pooled rows."""
    plan = EncodePlan(_layers(engine), dtype=dtype)
    return lambda: engine.encode(engine.tokenize(texts), plan)


def _one_by_one(engine: Engine, texts: Sequence[str], dtype: ComputeType) -> Callable[[], Any]:
    plan = EncodePlan(_layers(engine), dtype=dtype)
    return lambda: [engine.encode(engine.tokenize([text]), plan) for text in texts]


def _errors(bench: str, engines: dict[str, Engine], texts: Sequence[str]) -> list[Row]:
    """How far rows are from those of packed float32: the greatest 1 - cos of any text and layer."""
    found = {name: np.concatenate(_work(engine, texts, ENGINES[name][1])()) for name, engine in engines.items()}
    exact = found.pop(FIRST).astype(np.float64)
    rows = []
    for name, other in found.items():
        cosines = (other * exact).sum(-1) / np.linalg.norm(other, axis=-1) / np.linalg.norm(exact, axis=-1)
        rows.append(row(bench, f"{name}, greatest 1 - cos", float((1 - cosines).max()), "", against=FIRST))
    return rows


def _speeds(bench: str, works: dict[str, Callable[[], Any]], rounds: int, texts: int) -> list[Row]:
    """Rates, and each contestant's speed relative to packed float32 in the same round."""
    clocks = {"s": time.perf_counter, "core-s": time.process_time}
    seconds: dict[str, dict[str, list[float]]] = {unit: {name: [] for name in works} for unit in clocks}
    for number in range(rounds + 1):
        for name, work in works.items():
            began = {unit: clock() for unit, clock in clocks.items()}
            work()
            if number:  # the first round warms up
                for unit, clock in clocks.items():
                    seconds[unit][name].append(clock() - began[unit])
    rows = []
    for unit, found in seconds.items():
        rows += [row(bench, name, texts / statistics.median(each), f"texts/{unit}") for name, each in found.items()]
        for name, each in found.items():
            if name != FIRST:
                ratio = statistics.median(ours / theirs for ours, theirs in zip(found[FIRST], each, strict=True))
                figure = f"{name}, speed" if unit == "s" else f"{name}, speed in seconds of a core"
                rows.append(row(bench, figure, ratio, "x", against=FIRST))
    return rows
