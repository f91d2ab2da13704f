"""What a text is about: which words its topics and the words beside them make likely, and what it has named already."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache

import numpy as np

from services.datagen.grammar.concepts import Category, Side, Topic, concepts, preferred, preferring, topics
from services.datagen.grammar.syntax import Name

_SECOND_TOPIC = 0.25
"""How often a text has a second topic."""
_ASIDE = 0.3
"""How often a word is of the second topic, where there is one."""
_PREFERRED = 0.45
"""How often a noun is one that its verb prefers, or an adjective one that prefers its noun, where there are such."""
_TOPICAL = 0.85
"""How often any other word is of the topic, where the topic has such."""
_AGAIN = 0.4
"""How often a phrase speaks again of what the text has named."""


@dataclass(frozen=True, slots=True)
class Matter:
    """What a text is about.

    Attributes:
        topics: One or two topics.
        nouns: Nouns that were named, the last one last; None where a text does not speak of them again.
        names: Names that were named.
    """

    topics: tuple[Topic, ...]
    nouns: list[str] | None = None
    names: list[Name] = field(default_factory=list)

    def topic(self, draws: np.random.Generator) -> Topic:
        """The topic of a word."""
        return self.topics[-1] if len(self.topics) > 1 and draws.random() < _ASIDE else self.topics[0]

    def named_noun(self, draws: np.random.Generator, allowed: tuple[str, ...], taken: str) -> str:
        """A noun that was named and is spoken of again; empty where a new one is to be drawn."""
        if not self.nouns or draws.random() >= _AGAIN:
            return ""
        fitting = [noun for noun in self.nouns if noun != taken and noun in _members(allowed)]
        return fitting[int(draws.random() * len(fitting))] if fitting else ""

    def named(self, draws: np.random.Generator, kind: str) -> Name | None:
        """A name that is spoken of again; None where a new one is to be drawn."""
        if self.nouns is None or draws.random() >= _AGAIN:
            return None
        fitting = [name for name in self.names if name.kind == kind]
        return fitting[int(draws.random() * len(fitting))] if fitting else None

    def keep_noun(self, noun: str) -> None:
        """Remembers a noun."""
        if self.nouns is not None and noun not in self.nouns:
            self.nouns.append(noun)

    def keep_name(self, name: Name) -> None:
        """Remembers a name."""
        if self.nouns is not None and name not in self.names:
            self.names.append(name)

    def likely_nouns(
        self, draws: np.random.Generator, allowed: tuple[str, ...], governor: str, side: Side
    ) -> tuple[str, ...]:
        """The nouns from which one is drawn, of those that are allowed.

        Args:
            draws: Source of randomness.
            allowed: Nouns of the classes that the governor takes.
            governor: The verb; empty for none.
            side: What the noun is to it.
        """
        topic = self.topic(draws)
        if draws.random() < _PREFERRED and (liked := _within(preferred(governor, side), allowed)):
            return liked
        return self._topical(draws, topic, "noun", allowed)

    def likely_adjectives(self, draws: np.random.Generator, noun: str, fitting: tuple[str, ...]) -> tuple[str, ...]:
        """The adjectives from which one is drawn, of those that fit the noun's class."""
        topic = self.topic(draws)
        if draws.random() < _PREFERRED and (liked := _within(preferring(noun), fitting)):
            return liked
        return self._topical(draws, topic, "adjective", fitting)

    def likely_manners(self, draws: np.random.Generator) -> tuple[str, ...]:
        """The adverbs of manner from which one is drawn."""
        return self._topical(draws, self.topic(draws), "manner", concepts().manners)

    def likely_verbs(
        self, draws: np.random.Generator, offered: tuple[str, ...], nouns: Callable[[str], tuple[str, ...]]
    ) -> tuple[str, ...]:
        """The verbs from which one is drawn, of those offered.

        A verb of the topic; else one with which the topic has something to say, so that what follows is of the topic.

        Args:
            draws: Source of randomness.
            offered: Verbs.
            nouns: The nouns of the classes that a verb speaks of.
        """
        topic = self.topic(draws)
        liked = _within(topic.words.get("verb", ()), offered)
        if liked and draws.random() < _TOPICAL:
            return liked
        words = topic.words.get("noun", ())
        return tuple(verb for verb in offered if not _members(nouns(verb)).isdisjoint(words)) or offered

    @staticmethod
    def _topical(
        draws: np.random.Generator, topic: Topic, category: Category, allowed: tuple[str, ...]
    ) -> tuple[str, ...]:
        liked = _within(topic.words.get(category, ()), allowed)
        return liked if liked and draws.random() < _TOPICAL else allowed


def draw_matter(draws: np.random.Generator, domain: str, *, remembers: bool = False) -> Matter:
    """Draws what a text of a domain is about.

    Args:
        draws: Source of randomness.
        domain: `everyday` or `nature`.
        remembers: Whether it speaks again of what it has named.
    """
    offered = topics(domain)
    count = 2 if draws.random() < _SECOND_TOPIC else 1
    places = draws.choice(len(offered), size=count, replace=False).tolist()
    return Matter(tuple(offered[place] for place in places), [] if remembers else None)


@cache
def _members(words: tuple[str, ...]) -> frozenset[str]:
    return frozenset(words)


@cache
def _within(liked: tuple[str, ...], allowed: tuple[str, ...]) -> tuple[str, ...]:
    """Those that are allowed, in their own order."""
    return tuple(word for word in liked if word in _members(allowed))
