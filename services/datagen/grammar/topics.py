"""Topics of the abstract lexicon, and what verbs and adjectives prefer among the nouns of their classes."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Literal

from services.datagen.grammar.concepts import DOMAINS, LEXICA, rows

Category = Literal["noun", "verb", "adjective", "manner"]
Side = Literal["subject", "object", "noun"]
"""What a noun is to the word that prefers it: subject or object of a verb, or the noun of an adjective."""


@dataclass(frozen=True, slots=True)
class Topic:
    """What a text may be about.

    Attributes:
        id: Its name.
        domains: Letters of the domains in which it is spoken of.
        words: Concepts of each category, the most frequent first.
    """

    id: str
    domains: str
    words: Mapping[Category, tuple[str, ...]]


@cache
def topics(domain: str) -> tuple[Topic, ...]:
    """The topics of a domain, each as likely as the others."""
    return tuple(topic for topic in _all() if DOMAINS[domain] in topic.domains)


@cache
def _all() -> tuple[Topic, ...]:
    found: dict[str, tuple[str, dict[Category, tuple[str, ...]]]] = {}
    for name, domains, category, words in rows(LEXICA / "topics.tsv"):
        found.setdefault(name, (domains, {}))[1][category] = tuple(words.split())  # type: ignore[index]
    return tuple(Topic(name, domains, words) for name, (domains, words) in found.items())


@cache
def preferred(word: str, side: Side) -> tuple[str, ...]:
    """The nouns that a verb prefers as subject or object, or an adjective as its noun, the most frequent first."""
    return _preferences().get((word, side), ())


@cache
def preferring(noun: str) -> tuple[str, ...]:
    """The adjectives that prefer a noun."""
    return tuple(word for (word, side), nouns in _preferences().items() if side == "noun" and noun in nouns)


@cache
def _preferences() -> dict[tuple[str, str], tuple[str, ...]]:
    return {(word, side): tuple(nouns.split()) for _, word, side, nouns in rows(LEXICA / "preferences.tsv")}
