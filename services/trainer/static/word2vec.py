"""word2vec (Mikolov et al. 2013) by gensim, on runs of token ids, with one thread and so the same for the same seed."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from services.runtime.errors import FailedPrecondition
from services.trainer.data.pieces import Ints
from services.trainer.static.corpus import Corpus
from services.trainer.static.plan import StaticPlan

Told = Callable[[int, float], None]
"""Told of an epoch that is done, from 1, and of its loss, nan where there is none."""


def word2vec(corpus: Corpus, known: Ints, plan: StaticPlan, told: Told) -> NDArray[np.float32]:
    """Vectors of tokens: skip-gram or CBOW with negative sampling.

    Args:
        corpus: The streams.
        known: [n] tokens that get a vector; others are as if they were not there.
        plan: Dimension, window, epochs, learning rate, seed, `model` and `negative`.
        told: Is told of each epoch.

    Returns:
        [n, d] float32, in the order of `known`.

    Raises:
        FailedPrecondition: gensim is not installed.
    """
    try:
        from gensim.models import Word2Vec
        from gensim.models.callbacks import CallbackAny2Vec
    except ImportError as error:
        raise FailedPrecondition("word2vec", "Expected gensim, the extra `word2vec`, which is not installed") from error

    class Epochs(CallbackAny2Vec):  # type: ignore[misc]
        """Tells of the epochs."""

        done = 0

        def on_epoch_end(self, model: Any) -> None:
            """Tells of one."""
            self.done += 1
            told(self.done, float("nan"))

    model: Any = Word2Vec(
        vector_size=plan.dimension,
        window=plan.window,
        min_count=1,
        sg=int(plan.model == "skip_gram"),
        negative=plan.negative,
        alpha=plan.learning_rate,
        epochs=plan.epochs,
        seed=plan.seed % (1 << 32),
        # Threads race for the weights: one alone gives the same numbers each time.
        workers=1,
    )
    model.build_vocab_from_freq({str(token): int(corpus.counts[token]) for token in known.tolist()})
    model.train(
        _Sentences(corpus),
        total_examples=sum(1 for _ in corpus.runs()),
        total_words=corpus.tokens,
        epochs=plan.epochs,
        callbacks=[Epochs()],
    )
    places = [model.wv.key_to_index[str(token)] for token in known.tolist()]
    return np.array(model.wv.vectors[places], dtype=np.float32)


class _Sentences:
    """Runs as gensim reads them, once an epoch.

    Args:
        corpus: The streams.
    """

    def __init__(self, corpus: Corpus) -> None:
        self._corpus = corpus

    def __iter__(self) -> Iterator[list[str]]:
        for run in self._corpus.runs():
            yield list(map(str, run.tolist()))
