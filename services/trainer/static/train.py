"""Static vectors from sets of text: the streams of pretraining, one of the two methods, a model folder."""

import hashlib
import json
import time
from collections.abc import Callable
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray

from services.models.catalogue import ModelFiles
from services.models.tokens.tokenization import Tokenizer
from services.runtime.errors import FailedPrecondition
from services.trainer.data.pieces import Ints
from services.trainer.pretraining.cutting import Cutter
from services.trainer.pretraining.material import Examples
from services.trainer.pretraining.start import tokenizer_of
from services.trainer.pretraining.streams import StreamSet, stored
from services.trainer.pretraining.vocabularies import read_vocabularies
from services.trainer.static.cooccurrences import count
from services.trainer.static.corpus import Corpus
from services.trainer.static.folder import write_static
from services.trainer.static.glove import glove
from services.trainer.static.plan import StaticPlan, check
from services.trainer.static.states import States
from services.trainer.static.word2vec import word2vec
from services.trainer.training.events import Event, Prepared, Progressed
from services.trainer.training.plan import Trained
from services.trainer.training.run import CHECKPOINT_SECONDS, arithmetic

LONGEST_INPUT: Final = 512
"""Tokens that the encoder takes of a text, whatever the streams were: nothing in static vectors depends on it."""


def train_static(
    plan: StaticPlan,
    *,
    files: ModelFiles,
    examples: Examples,
    workdir: Path,
    run: Path | None = None,
    report: Callable[[Event], None] = lambda event: None,
    checkpoint_seconds: float = CHECKPOINT_SECONDS,
) -> Trained:
    """Train static vectors, going on from what stands in `run`; the same plan and data give the same bits.

    Args:
        plan: Plan of the job.
        files: Files of the models, for their vocabularies.
        examples: Datasets by name; each is read once.
        workdir: Folder of streams, counts and the model; streams and counts that are there are not made again.
        run: Folder of the states; `workdir/run` where None.
        report: Is told of each set, of each epoch and of each state, in this thread.
        checkpoint_seconds: Seconds of training between two states on disk.

    Raises:
        InvalidArgument: Something in the plan is wrong.
        NotFound: No such model.
        FailedPrecondition: The vocabulary does not load, a set has no text, gensim is not installed, or the states are
            those of another run.
    """
    check(plan)
    subject = f"vocabulary {plan.vocabulary}"
    vocabulary = read_vocabularies(plan.vocabulary, files, examples, separation=None, languages=())
    made = tokenizer_of(vocabulary.whole, subject, max(LONGEST_INPUT, plan.max_tokens))
    tokenizer = Tokenizer(made.backend_tokenizer)
    special = _special(tokenizer)
    sets = [
        _streams(plan, place, tokenizer, len(special), examples=examples, workdir=workdir)
        for place in range(len(plan.train))
    ]
    for each in sets:
        report(_prepared(each))
    corpus = Corpus.of(sets, special)
    known = np.flatnonzero(corpus.counts >= plan.min_count)
    # Most frequent first, of equally frequent ones the first.
    known = known[np.argsort(-corpus.counts[known], kind="stable")]
    if not len(known):
        raise FailedPrecondition(
            "train", f"Expected a token that occurs {plan.min_count} times, but the sets have {corpus.tokens} tokens"
        )
    record = _provenance(plan, corpus, known)
    fingerprint = hashlib.sha256(json.dumps(record, sort_keys=True).encode()).hexdigest()
    states = States(run or workdir / "run", fingerprint, seconds=checkpoint_seconds, tell=report)
    with arithmetic(plan.seed, 1, "cpu"):
        vectors = _vectors(plan, corpus, known, workdir, report=report, states=states)
    if not np.isfinite(vectors).all():
        raise FailedPrecondition("training", "Expected finite vectors, but they are not; try a lower learning rate")
    target = workdir / "static"
    write_static(target, vectors=vectors, known=known, special=special, tokenizer=made, record=record)
    return Trained(
        folder=target,
        step=plan.epochs,
        steps=plan.epochs,
        score=None,
        figures=(),
        warnings=_warnings(special, known),
        provenance=record,
    )


def _special(tokenizer: Tokenizer) -> NDArray[np.bool_]:
    """[V] bool: the special tokens, and ids that no token has."""
    backend = tokenizer.backend
    table = backend.get_vocab(with_added_tokens=True)
    special = np.ones(max(table.values()) + 1, dtype=bool)
    special[list(table.values())] = False
    special[[token for token, said in backend.get_added_tokens_decoder().items() if said.special]] = True
    return special


def _streams(
    plan: StaticPlan, place: int, tokenizer: Tokenizer, vocabulary: int, *, examples: Examples, workdir: Path
) -> StreamSet:
    """The streams of a training set, as masked-language-model pretraining has them."""
    each, room = plan.train[place], plan.max_tokens - tokenizer.frame(1).tokens
    found = stored(
        workdir / "streams" / f"train-{place}",
        {
            "form": plan.form,
            "room": room,
            "vocabulary": plan.vocabulary,
            "language": each.language,
            "dataset": each.dataset,
        },
        partial(examples, each.dataset),
        Cutter(tokenizer, plan.form, room, vocabulary, each.dataset),
        vocabulary,
        language=each.language,
        dataset=each.dataset,
    )
    if not found.counts.tokens:
        raise FailedPrecondition(
            f"dataset {each.dataset}",
            f"Expected text of {each.language or 'a language'} in its train set, but got none",
        )
    return found


def _vectors(
    plan: StaticPlan, corpus: Corpus, known: Ints, workdir: Path, *, report: Callable[[Event], None], states: States
) -> NDArray[np.float32]:
    """[n, d] vectors of the known tokens, in their order."""
    started = time.perf_counter()

    def told(epoch: int, loss: float) -> None:
        # Epochs that this process has done: a killed one before it may have done others, or a part of the first.
        own = epoch - states.begun
        seconds = time.perf_counter() - started
        report(
            Progressed(
                step=epoch,
                of=plan.epochs,
                epoch=float(epoch),
                loss=loss,
                learning_rate=plan.learning_rate,
                tokens_per_second=own * corpus.tokens / seconds,
                seconds_left=(plan.epochs - epoch) * seconds / own,
            )
        )

    if plan.kind == "word2vec":
        return word2vec(corpus, known, plan, told, states)
    places = np.full(len(corpus.special), -1, dtype=np.int64)
    places[known] = np.arange(len(known))
    counts = count(corpus, places, plan.window, workdir / "counts")
    if not counts.size:
        raise FailedPrecondition("train", "Expected tokens beside one another, but no run has two")
    return glove(counts, plan, told, states)


def _prepared(streams: StreamSet) -> Prepared:
    counts = streams.counts
    return Prepared(
        part="train",
        language=streams.language,
        dataset=streams.dataset,
        examples=counts.streams,
        tokens=counts.tokens,
        targets=counts.tokens,
        split=0,
        cut=0,
        lost=0,
    )


def _warnings(special: NDArray[np.bool_], known: Ints) -> tuple[str, ...]:
    """What a reader of the vectors must know."""
    ordinary = int((~special).sum())
    if len(known) == ordinary:
        return ()
    return (
        f"{ordinary - len(known)} of {ordinary} tokens of the vocabulary occur too seldom for a vector of their own; "
        "theirs is the mean of all others",
    )


def _provenance(plan: StaticPlan, corpus: Corpus, known: Ints) -> dict[str, str]:
    """What determines the vectors, by name; nested values as JSON."""
    said = {name: value for name, value in asdict(plan).items() if name not in ("train", "kind", "vocabulary", "seed")}
    return {
        "task": plan.kind,
        "vocabulary": plan.vocabulary,
        "train": json.dumps([[each.language, each.dataset] for each in plan.train], ensure_ascii=False),
        "streams": json.dumps([each.counts.digest for each in corpus.sets]),
        "tokens": str(corpus.tokens),
        "vectors": str(len(known)),
        "settings": json.dumps(said, sort_keys=True),
        "seed": str(plan.seed),
        "torch": torch.__version__,
    }
