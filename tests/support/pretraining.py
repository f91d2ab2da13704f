"""Corpora and a vocabulary written out, from which small models are pretrained."""

from collections.abc import Iterable

import numpy as np
from babelscope.corpora.vocabularies import to_examples
from babelscope.data.examples import Example
from babelscope.data.jobs.architecture import Architecture
from tokenizers import Tokenizer, models, pre_tokenizers

from services.trainer.pretraining.plan import PretrainPlan
from services.trainer.training.plan import LanguageSet, Optimisation

WORDS = 20
SPECIALS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
ENTRIES = (*SPECIALS, *(f"{language}{word}" for language in ("en", "sv") for word in range(WORDS)))


def vocabulary() -> str:
    """tokenizer.json of twenty words in each of two languages, without anything around texts."""
    tokenizer = Tokenizer(models.WordLevel({word: place for place, word in enumerate(ENTRIES)}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer.add_special_tokens(list(SPECIALS))
    return tokenizer.to_str()


def lines(count: int, seed: int, language: str = "en") -> list[Example]:
    """Lines in which each word is at most two from the one before, so that context tells it."""
    rng = np.random.default_rng(seed)
    walks = rng.integers(WORDS, size=(count, 1)) + np.cumsum(rng.integers(3, size=(count, 12)), axis=1)
    return [
        Example(f"{language}{place}", " ".join(f"{language}{word % WORDS}" for word in walk), language)
        for place, walk in enumerate(walks.tolist())
    ]


DATASETS = {
    "datasets/vocabulary": tuple(to_examples(vocabulary())),
    "en": tuple(lines(200, 1)),
    "sv": tuple(lines(60, 2, "sv")),
    "dev-en": tuple(lines(20, 3)),
    "dev-sv": tuple(lines(20, 4, "sv")),
}


def read(name: str) -> Iterable[Example]:
    """A dataset by name."""
    return DATASETS[name]


def plan(family: str = "bert", **optimisation: object) -> PretrainPlan:
    """Two languages, two narrow layers, streams of thirty tokens with special ones around them."""
    how = {"learning_rate": 5e-3, "epochs": 2.0, "step_tokens": 512, "accumulation": 2, "seed": 5} | optimisation
    return PretrainPlan(
        train=(LanguageSet("en", "en"), LanguageSet("sv", "sv")),
        dev=(LanguageSet("en", "dev-en"), LanguageSet("sv", "dev-sv")),
        architecture=Architecture(family, 2, 32, 2, 64, 32, 0.1),
        vocabulary="datasets/vocabulary",
        optimisation=Optimisation(**how),  # type: ignore[arg-type]
        threads=1,
    )
