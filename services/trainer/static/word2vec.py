"""word2vec (Mikolov et al. 2013) by gensim, on runs of token ids, with one thread and so the same for the same seed."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from services.runtime.errors import FailedPrecondition
from services.trainer.data.pieces import Ints
from services.trainer.static.corpus import Corpus, Part
from services.trainer.static.plan import StaticPlan
from services.trainer.static.states import States

Told = Callable[[int, float], None]
"""Told of an epoch that is done, from 1, and of its loss, nan where there is none."""
_LAST_RATE: Final = 1e-4
"""The learning rate at the end, as gensim has it."""


def word2vec(
    corpus: Corpus, known: Ints, plan: StaticPlan, told: Told, states: States | None = None
) -> NDArray[np.float32]:
    """Vectors of tokens: skip-gram or CBOW with negative sampling.

    gensim is given a part of the streams at a time, with its share of the linear fall of the learning rate.

    Args:
        corpus: The streams.
        known: [n] tokens that get a vector; others are as if they were not there.
        plan: Dimension, window, epochs, learning rate, seed, `model` and `negative`.
        told: Is told of each epoch.
        states: The states on disk; none are kept where None.

    Returns:
        [n, d] float32, in the order of `known`.

    Raises:
        FailedPrecondition: gensim is not installed.
    """
    try:
        from gensim.models import Word2Vec
    except ImportError as error:
        raise FailedPrecondition("word2vec", "Expected gensim, the extra `word2vec`, which is not installed") from error
    model: Any = Word2Vec(
        vector_size=plan.dimension,
        window=plan.window,
        min_count=1,
        sg=int(plan.model == "skip_gram"),
        negative=plan.negative,
        alpha=plan.learning_rate,
        seed=plan.seed % (1 << 32),
        # Threads race for the weights: one alone gives the same numbers each time.
        workers=1,
    )
    model.build_vocab_from_freq({str(token): int(corpus.counts[token]) for token in known.tolist()})
    states = states or States()
    reached = states.load(sum(1 for _ in corpus.parts()))
    if reached.arrays:
        _go_on(model, reached.arrays)
    portions = tokens = 0
    for epoch in range(plan.epochs):
        for part in corpus.parts():
            begin, tokens, portions = tokens, tokens + len(part.ids), portions + 1
            if portions <= reached.portions or not len(part.ids):
                continue
            rates = [_rate(plan, corpus, done) for done in (begin, tokens)]
            model.train(_Sentences(part), total_words=len(part.ids), epochs=1, start_alpha=rates[0], end_alpha=rates[1])
            states.done(portions, lambda: _arrays(model))
        if portions > reached.portions:
            told(epoch + 1, float("nan"))
    places = [model.wv.key_to_index[str(token)] for token in known.tolist()]
    return np.array(model.wv.vectors[places], dtype=np.float32)


def _rate(plan: StaticPlan, corpus: Corpus, tokens: int) -> float:
    """The learning rate after so many tokens of all epochs: it falls along a line, to gensim's least."""
    last = min(_LAST_RATE, plan.learning_rate)
    return plan.learning_rate - (plan.learning_rate - last) * tokens / (plan.epochs * corpus.tokens)


def _arrays(model: Any) -> dict[str, Tensor]:
    """All that gensim goes on from: both tables, and the state of its generator."""
    _, key, place, _, _ = model.random.get_state()  # it draws whole numbers alone, and so keeps no half of a pair
    return {
        "vectors": torch.from_numpy(model.wv.vectors),
        "contexts": torch.from_numpy(model.syn1neg),
        "generator": torch.from_numpy(np.append(key, place).astype(np.int64)),
    }


def _go_on(model: Any, arrays: Mapping[str, Tensor]) -> None:
    """Gives gensim the arrays of a state."""
    model.wv.vectors[:] = arrays["vectors"].numpy()
    model.syn1neg[:] = arrays["contexts"].numpy()
    *key, place = arrays["generator"].tolist()
    model.random.set_state(("MT19937", np.array(key, dtype=np.uint32), place))


class _Sentences:
    """Runs as gensim reads them, while it trains on those before.

    Args:
        part: The part of the streams that has them.
    """

    def __init__(self, part: Part) -> None:
        self._part = part

    def __iter__(self) -> Iterator[list[str]]:
        for run in self._part.split():
            yield list(map(str, run.tolist()))
