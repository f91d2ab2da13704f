"""Corpora of two languages that share some words, their vocabularies, and plans of models that share some parts."""

from collections.abc import Sequence
from dataclasses import replace

from babelscope.corpora.vocabularies import to_examples
from babelscope.data.examples import Example
from babelscope.data.jobs.architecture import Separation
from tokenizers import Tokenizer, models, pre_tokenizers

from services.trainer.pretraining.plan import PretrainPlan
from tests.support.pretraining import DATASETS, SPECIALS, WORDS, plan

SHARED = {f"sv{place}": f"en{place}" for place in range(5)}
"""Words of Swedish that are spelled as in English."""


def words_of(language: str) -> list[str]:
    """The words of a language, in order."""
    return [SHARED.get(f"{language}{place}", f"{language}{place}") for place in range(WORDS)]


def description(tokens: Sequence[str]) -> str:
    """tokenizer.json of some words behind the special tokens."""
    table = {word: place for place, word in enumerate([*SPECIALS, *tokens])}
    tokenizer = Tokenizer(models.WordLevel(table, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer.add_special_tokens(list(SPECIALS))
    return tokenizer.to_str()


def _mixed(lines: Sequence[Example]) -> tuple[Example, ...]:
    return tuple(
        replace(each, content=" ".join(SHARED.get(word, word) for word in str(each.content).split())) for each in lines
    )


DATA = {
    **DATASETS,
    "sv": _mixed(DATASETS["sv"]),
    "dev-sv": _mixed(DATASETS["dev-sv"]),
    "datasets/parts": tuple(
        part for language in ("en", "sv") for part in to_examples(description(words_of(language)), language)
    ),
}
"""Datasets by name."""


def separable_plan(
    separation: Separation, vocabulary: str = "datasets/vocabulary", **optimisation: object
) -> PretrainPlan:
    """The small plan of BERT, with parts of which each language has its own."""
    usual = plan(**optimisation)
    assert usual.architecture is not None
    return replace(usual, architecture=replace(usual.architecture, separation=separation), vocabulary=vocabulary)
