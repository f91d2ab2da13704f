"""Training speed against the Hugging Face `Trainer`: the same model, texts, optimiser and tokens a step.

Speed is in real tokens, padding aside, a second of one core's work: one thread, and the processor's time rather than
the clock's, so that other programs on the machine count for little. Loading, cutting and the first step are left out.
Each contestant's loss over the last third of the steps stands beside it: a speed counts at an equal loss.
"""

import os
import statistics
import tempfile
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from babelscope.corpora import read_examples
from babelscope.data.examples import Example, Sentence, Word
from transformers import (
    AutoModelForMaskedLM,
    AutoModelForTokenClassification,
    AutoTokenizer,
    BertConfig,
    DataCollatorForLanguageModeling,
    DataCollatorForTokenClassification,
)
from transformers.utils import logging as transformers_logging

from benchmarks.contestants import train
from benchmarks.encoder import minilm_folder, news_texts
from benchmarks.rows import Row, row
from services.models.catalogue import ModelFiles
from services.models.spec import ModelSpec
from services.trainer.evaluation.figures import Pair, Scored
from services.trainer.pretraining.plan import PretrainPlan
from services.trainer.pretraining.pretrain import pretrain
from services.trainer.training.events import Checkpointed, Event, Progressed
from services.trainer.training.fit import fit
from services.trainer.training.plan import FineTunePlan, LanguageSet, Optimisation
from services.trainer.training.run import CHECKPOINT_SECONDS

_BENCH = "training"
BATCH = 8
"""Texts of a step: the `Trainer`'s default."""
RATE = 5e-5
_TAGS = 12
_PRODUCTS = 30


@dataclass
class Speed:
    """What a contestant did.

    Attributes:
        tokens: Real tokens a second of one core.
        loss: Mean loss over the last third of the steps.
        state: Seconds of one core that a state on disk takes, with the best model; 0 where none is written.
    """

    tokens: float
    loss: float
    state: float = 0.0


def run(quick: bool = False) -> list[Row]:
    """Measures fine-tuning and pretraining."""
    transformers_logging.set_verbosity_error()
    transformers_logging.disable_progress_bar()
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with tempfile.TemporaryDirectory() as scratch:
            return [*_fine_tuning(Path(scratch), quick), *_pretraining(Path(scratch), quick)]
    finally:
        torch.set_num_threads(before)


def tagged(count: int) -> list[Example]:
    """Sentences of English-EWT where the shared data are there, of news lengths with made tags otherwise."""
    shared = os.environ.get("BABELSCOPE_SHARED_DATA", "")
    path = Path(shared) / "ud" / "en_ewt-ud-train.conllu.gz"
    if shared and path.is_file():
        found = list(read_examples(path))
        places = np.random.default_rng(0).permutation(len(found))[:count]
        return [found[place] for place in places.tolist()]
    made = []
    for place, text in enumerate(news_texts(count)):
        words = tuple(Word(form, upos=f"T{sum(form.encode()) % _TAGS}") for form in text.split())
        made.append(Example(str(place), Sentence(words, " ".join(word.form for word in words)), "en"))
    return made


def _fine_tuning(scratch: Path, quick: bool) -> list[Row]:
    """POS tagging with MiniLM."""
    examples = tagged(24 if quick else 480)
    steps, rounds = len(examples) // BATCH, 1 if quick else 3
    tokenizer = AutoTokenizer.from_pretrained(minilm_folder())
    rows = _labelled(examples, tokenizer)
    real = sum(len(each["input_ids"]) for each in rows)
    ours = partial(_ours, examples, step_tokens=max(1, round(BATCH * real / len(rows))), steps=steps)
    theirs = partial(_theirs, rows, tokenizer, scratch, steps)
    grouped = {"train_sampling_strategy": "group_by_length"}
    found = _rounds(
        {
            "ours": lambda: ours(dtype="float32"),
            "theirs": theirs,
            "grouped": lambda: theirs(**grouped),
            "ours bf16": lambda: ours(dtype="bfloat16"),
            "theirs bf16": lambda: theirs(bf16=True),
        },
        rounds,
    )
    goals = (
        ("ours", "theirs", 1.6, "`Trainer`, defaults"),
        ("ours", "grouped", 1.4, "`Trainer`, grouped by length"),
        ("ours bf16", "theirs bf16", 1.7, "`Trainer`, defaults, bf16"),
        ("ours bf16", "theirs", 2.5, "`Trainer`, defaults"),
    )
    return [
        *_speeds("fine-tuning", found),
        *(
            row(
                _BENCH,
                f"fine-tuning{', bf16' * ('bf16' in mine)}, speed-up",
                found[mine].tokens / found[other].tokens,
                "x",
                against=against,
                at_least=goal,
            )
            for mine, other, goal, against in goals
        ),
        row(_BENCH, "states each two minutes, cost", 100 * found["ours"].state / CHECKPOINT_SECONDS, "%", at_most=5.0),
    ]


def _pretraining(scratch: Path, quick: bool) -> list[Row]:
    """A BERT of six layers of width 384 on full streams of 256 tokens, and on lines, which the `Trainer` pads."""
    streams, steps, rounds = (4, 2, 1) if quick else (48, 6, 3)
    tokenizer = AutoTokenizer.from_pretrained(minilm_folder())
    generator = np.random.default_rng(0)
    ordinary = np.arange(1000, 20000)
    full = [generator.choice(ordinary, 254) for _ in range(streams)]
    lines = [
        generator.choice(ordinary, size)
        for size in np.clip(generator.lognormal(3.3, 0.5, streams * 8), 4, 250).astype(int)
    ]
    config = BertConfig(
        vocab_size=len(tokenizer), hidden_size=384, num_hidden_layers=6, num_attention_heads=6, intermediate_size=1536,
        max_position_embeddings=256,
    )  # fmt: skip
    folder = scratch / "narrow"
    torch.manual_seed(0)
    AutoModelForMaskedLM.from_config(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    ours, theirs = partial(_our_mlm, folder, steps=steps), partial(_their_mlm, folder, tokenizer, scratch, steps=steps)
    found = _rounds(
        {
            "ours": lambda: ours(full),
            "theirs": lambda: theirs(full),
            "ours, lines": lambda: ours(_joined(lines)),
            "theirs, lines": lambda: theirs(lines),
        },
        rounds,
    )
    blocks = sum(
        each.numel() for name, each in AutoModelForMaskedLM.from_config(config).named_parameters() if ".layer." in name
    )
    # Forward and backward; the head's transformation and logits at 15 % of the tokens.
    per_token = 6 * (blocks + 0.15 * 384 * (384 + len(tokenizer))) + 6 * 2 * 6 * 256 * 384
    return [
        *_speeds("pretraining", found),
        row(
            _BENCH,
            "pretraining on full streams, speed-up",
            found["ours"].tokens / found["theirs"].tokens,
            "x",
            against="`Trainer` and `DataCollatorForLanguageModeling`",
            at_least=2.3,
        ),
        row(
            _BENCH,
            "pretraining on lines, speed-up",
            found["ours, lines"].tokens / found["theirs, lines"].tokens,
            "x",
            against="the same, which pads them",
            at_least=2.5,
        ),
        row(
            _BENCH,
            "pretraining at width 384, share of the GEMM rate",
            found["ours"].tokens * per_token / _gemm_rate(),
            "",
            against="a float32 product of matrices",
            at_least=0.45,
        ),
    ]


def _rounds(contestants: Mapping[str, Callable[[], Speed]], rounds: int) -> dict[str, Speed]:
    """Median speeds over rounds in which all have their turn."""
    found: dict[str, list[Speed]] = {name: [] for name in contestants}
    for _ in range(rounds):
        for name, work in contestants.items():
            found[name].append(work())
    return {
        name: Speed(statistics.median(each.tokens for each in speeds), speeds[-1].loss, speeds[-1].state)
        for name, speeds in found.items()
    }


def _speeds(what: str, found: Mapping[str, Speed]) -> list[Row]:
    said = [row(_BENCH, f"{what}, {name}", each.tokens, "tokens/s") for name, each in found.items()]
    return said + [row(_BENCH, f"{what}, {name}, loss", each.loss, "nats") for name, each in found.items()]


class _Course:
    """Reads the processor's time from the first step on."""

    def __init__(self) -> None:
        self.seconds, self.state, self.losses = 0.0, 0.0, list[float]()
        self._began = 0.0

    def __call__(self, event: Event) -> None:
        now = time.process_time()
        if isinstance(event, Progressed):
            if event.step == 1:
                self._began = now
            self.losses.append(event.loss)
            self.seconds = now - self._began
        elif isinstance(event, Checkpointed):
            self.state = now - self._began - self.seconds


def _speed(real: float, seconds: float, losses: Sequence[float], state: float = 0.0) -> Speed:
    """A speed from the tokens of all steps; the first one is not timed."""
    steps = len(losses)
    return Speed(real * (steps - 1) / steps / seconds, statistics.fmean(losses[-max(1, steps // 3) :]), state)


def _gemm_rate() -> float:
    """Float32 products of matrices on one core, in FLOP a second of the processor's time."""
    left, right = torch.ones(1024, 1024), torch.ones(1024, 1024)
    torch.mm(left, right)
    began = time.process_time()
    for _ in range(_PRODUCTS):
        torch.mm(left, right)
    return _PRODUCTS * 2 * 1024**3 / (time.process_time() - began)


def _how(steps: int, step_tokens: int, dtype: str = "float32") -> Optimisation:
    return Optimisation(
        learning_rate=RATE,
        head_learning_rate=RATE,
        epochs=1.0,
        max_steps=steps,
        step_tokens=step_tokens,
        weight_decay=0.0,
        dtype=dtype,  # type: ignore[arg-type]
    )


def _ours(examples: Sequence[Example], *, step_tokens: int, steps: int, dtype: str) -> Speed:
    """This project's trainer, without development sets: a state is written at the end alone."""
    course = _Course()
    with tempfile.TemporaryDirectory() as folder:
        fit(
            FineTunePlan(
                ModelSpec("model"),
                "pos",
                (LanguageSet("en", "train"),),
                optimisation=_how(0, step_tokens, dtype),
                threads=1,
            ),
            files=ModelFiles(aliases={"model": minilm_folder()}),
            examples=lambda _: examples,
            scorer=_unscored,
            workdir=Path(folder),
            report=course,
            checkpoint_seconds=1e9,
        )
    return _speed(step_tokens * len(course.losses), course.seconds, course.losses, course.state)


def _unscored(score: str, language: str, options: Mapping[str, str], pairs: Sequence[Pair]) -> Scored:
    del score, language, options, pairs
    raise AssertionError("Expected no development sets")


def _theirs(rows: Sequence[Mapping[str, Any]], tokenizer: Any, scratch: Path, steps: int, **how: Any) -> Speed:
    """The `Trainer` with the same number of texts a step."""
    torch.manual_seed(0)
    labels = 1 + max(label for each in rows for label in each["labels"])
    model = AutoModelForTokenClassification.from_pretrained(minilm_folder(), num_labels=labels)
    collator = DataCollatorForTokenClassification(tokenizer)
    clock = train(model, rows, collator, scratch / "theirs", steps, learning_rate=RATE, **how)
    return _speed(sum(len(each["input_ids"]) for each in rows), clock.seconds, clock.losses)


def _labelled(examples: Iterable[Example], tokenizer: Any) -> list[dict[str, Any]]:
    """Word-pieces with the word's tag at the first piece of each."""
    tags: dict[str, int] = {}
    rows = []
    for each in examples:
        assert isinstance(each.content, Sentence)
        words = each.content.words
        coded = tokenizer([word.form for word in words], is_split_into_words=True, truncation=True, max_length=512)
        labels, before = [], None
        for word in coded.word_ids():
            first = word is not None and word != before
            labels.append(tags.setdefault(words[word].upos, len(tags)) if first else -100)
            before = word
        rows.append({"input_ids": coded["input_ids"], "attention_mask": coded["attention_mask"], "labels": labels})
    return rows


def _joined(lines: Sequence[Any], size: int = 254) -> list[Any]:
    """Lines as full streams, which is how this project reads them."""
    whole = np.concatenate(lines)
    return [whole[first : first + size] for first in range(0, len(whole), size)]


def _our_mlm(folder: Path, streams: Sequence[Any], *, steps: int) -> Speed:
    """This project's pretraining on streams of ids, with as many of them a step as the `Trainer` has."""
    course = _Course()
    examples = [Example(str(place), " ".join(map(str, ids.tolist())), "en") for place, ids in enumerate(streams)]
    real = sum(len(ids) + 2 for ids in streams)
    tokens = max(1, min(BATCH * 256, real // max(1, steps)))
    with tempfile.TemporaryDirectory() as scratch:
        pretrain(
            PretrainPlan(
                (LanguageSet("en", "train"),),
                model=ModelSpec("model"),
                form="ids",
                optimisation=_how(steps, tokens),
                max_tokens=256,
                threads=1,
            ),
            files=ModelFiles(aliases={"model": folder}),
            examples=lambda _: examples,
            workdir=Path(scratch) / "run",
            cache=Path(scratch),
            report=course,
            checkpoint_seconds=1e9,
        )
    return _speed(tokens * len(course.losses), course.seconds, course.losses)


def _their_mlm(folder: Path, tokenizer: Any, scratch: Path, texts: Sequence[Any], *, steps: int) -> Speed:
    """The `Trainer` with its collator of masks."""
    model = AutoModelForMaskedLM.from_pretrained(folder)
    rows = [{"input_ids": [101, *ids.tolist(), 102]} for ids in texts[: BATCH * steps]]
    clock = train(
        model, rows, DataCollatorForLanguageModeling(tokenizer), scratch / "theirs", steps, learning_rate=RATE
    )
    return _speed(sum(len(each["input_ids"]) for each in rows), clock.seconds, clock.losses)
