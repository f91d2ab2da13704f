"""The abstract lexicon: concepts with classes, domains and hypernyms, what verbs ask for and prefer, and topics."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal

LEXICA = Path(__file__).parent / "lexica"
DOMAINS = {"everyday": "e", "nature": "n"}
PAST_YEARS = range(1900, 2021)
FUTURE_YEARS = range(2030, 2101)
ANY = "any"
NO_OBJECT = "-"
CLAUSE = "*"


Category = Literal["noun", "verb", "adjective", "manner"]
Side = Literal["subject", "object", "noun"]
"""What a noun is to the word that prefers it: subject or object of a verb, or the noun of an adjective."""


@dataclass(frozen=True, slots=True)
class Noun:
    """A noun concept: its class, the letters of its domains, and its hypernyms."""

    id: str
    kind: str
    domains: str
    hypernyms: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Verb:
    """A verb concept: classes of its subjects and objects, `-` for no object, `*` for a clause, `any` for any noun."""

    id: str
    subjects: tuple[str, ...]
    objects: tuple[str, ...]
    domains: str

    @property
    def transitive(self) -> bool:
        """Whether it takes a noun phrase as object."""
        return self.objects[0] not in {NO_OBJECT, CLAUSE}

    @property
    def takes_clause(self) -> bool:
        """Whether it takes a clause."""
        return self.objects[0] == CLAUSE


@dataclass(frozen=True, slots=True)
class Concepts:
    """All concepts, in order of their rank."""

    nouns: dict[str, Noun]
    verbs: dict[str, Verb]
    adjectives: dict[str, tuple[str, ...]]
    manners: tuple[str, ...]
    times: dict[str, str]
    organisations: tuple[str, ...]


def rows(path: Path) -> list[list[str]]:
    """Fields of a word list: one entry a line, separated by tabs; `#` begins a comment line."""
    lines = path.read_text(encoding="utf-8").split("\n")
    return [line.split("\t") for line in lines if line.strip() and not line.startswith("#")]


@cache
def concepts() -> Concepts:
    """Reads the abstract lexicon, once."""
    found = Concepts({}, {}, {}, (), {}, ())
    manners: list[str] = []
    organisations: list[str] = []
    for category, name, *fields in rows(LEXICA / "concepts.tsv"):
        if category == "noun":
            hypernyms = tuple(filter(None, fields[2].split(",")))
            found.nouns[name] = Noun(name, fields[0], fields[1], hypernyms)
        elif category == "verb":
            found.verbs[name] = Verb(name, tuple(fields[0].split(",")), tuple(fields[1].split(",")), fields[2])
        elif category == "adjective":
            found.adjectives[name] = tuple(fields[0].split(","))
        elif category == "time":
            found.times[name] = fields[0]
        elif category == "manner":
            manners.append(name)
        else:
            organisations.append(name)
    return Concepts(found.nouns, found.verbs, found.adjectives, tuple(manners), found.times, tuple(organisations))


def year_of(time: str) -> int:
    """The year of a time such as `in_1987`; 0 where it names no year."""
    return int(time[3:]) if time.startswith("in_") else 0


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
