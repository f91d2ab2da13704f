"""How much of a word the word before it and the topic tell: entropies of the grammar's text in each language.

    python -m services.datagen.grammar.entropies [SENTENCES]

A masked model that has learnt no more than frequencies stands at the unigram entropy, one that has learnt what follows
what at the bigram entropy, and one that has learnt topics below what is stated here with the topic known.
"""

import math
import sys
from collections import Counter, defaultdict
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from services.datagen.grammar.corpus import LANGUAGES, generate

_BEGINNING = ""
"""Stands before the first token of a sentence."""


@dataclass(frozen=True, slots=True)
class Entropies:
    """Entropies in nats a token; with few tokens estimates from counts are too low, above all the second and third.

    Attributes:
        tokens: Tokens counted.
        types: Different tokens.
        unigram: Of a token by itself.
        bigram: Of a token where the one before it is known.
        topic: Of a token where the first topic of its text is known.
    """

    tokens: int
    types: int
    unigram: float
    bigram: float
    topic: float


def entropies(texts: Iterable[tuple[str, Sequence[str]]]) -> Entropies:
    """Entropies by maximum likelihood.

    Args:
        texts: Topic and tokens of each text.

    Raises:
        ValueError: There is no token.
    """
    alone: Counter[str] = Counter()
    after: dict[Hashable, Counter[str]] = defaultdict(Counter)
    within: dict[Hashable, Counter[str]] = defaultdict(Counter)
    for topic, tokens in texts:
        alone.update(tokens)
        within[topic].update(tokens)
        for before, token in pairwise((_BEGINNING, *tokens)):
            after[before][token] += 1
    total = alone.total()
    if not total:
        raise ValueError("Expected at least one token, but got none")
    return Entropies(total, len(alone), _entropy(alone), _known(after, total), _known(within, total))


def _known(counts: dict[Hashable, Counter[str]], total: int) -> float:
    return sum(each.total() / total * _entropy(each) for each in counts.values())


def _entropy(counts: Counter[str]) -> float:
    total = counts.total()
    return math.log(total) - sum(count * math.log(count) for count in counts.values()) / total


def of_language(tag: str, sentences: int, *, words: str = "topics", seed: int = 0) -> Entropies:
    """Entropies of the words of a language, letters in lower case.

    Args:
        tag: Language.
        sentences: Sentences counted.
        words: How words are drawn: see `services.datagen.grammar.corpus.generate`.
        seed: Seed of the sentences.
    """
    return entropies(
        (example.attributes.get("topics", "").split(",")[0], [word.form.lower() for word in example.content.words])  # type: ignore[union-attr]
        for example in generate([tag], sentences, seed, words=words)
    )


def main() -> None:
    """Prints a table."""
    sentences = int(sys.argv[1]) if len(sys.argv) > 1 else 20_000
    out = sys.stdout
    out.write("| language | words | tokens | types | unigram | bigram | topic known |\n|---|---|---|---|---|---|---|\n")
    for words in ("topics", "classes"):
        for tag in LANGUAGES:
            one = of_language(tag, sentences, words=words)
            figures = f"{one.unigram:.2f} | {one.bigram:.2f} | {one.topic:.2f}"
            out.write(f"| {tag} | {words} | {one.tokens} | {one.types} | {figures} |\n")


if __name__ == "__main__":
    main()
