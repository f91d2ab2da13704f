"""Abstract syntax: what a sentence says, without the words and the order of any language.

Concepts are named by their ids in `lexica/concepts.tsv`, proper names by keys of `names.py`. Every language writes the
same tree, and every sentence parses back to it.
"""

from dataclasses import dataclass
from typing import Literal

Det = Literal["the", "a", "this", "many", "several", "count"]
Tense = Literal["past", "present", "future"]
Link = Literal["", "and", "but", "because", "when"]
Role = Literal["subject", "object", "place", "time"]

COUNTS = tuple(range(3, 11))
DEEPEST = 4
"""Deepest nesting of clauses on offer."""


@dataclass(frozen=True, slots=True)
class Common:
    """A noun phrase with a common noun.

    Attributes:
        noun: Concept.
        det: Determiner; `a` is singular, `many`, `several` and `count` are plural.
        plural: Number.
        count: Number that the phrase states, 3 to 10; 0 where it states none.
        adjective: Concept, or empty.
        relative: A relative clause, on singular phrases with `the`.
    """

    noun: str
    det: Det = "the"
    plural: bool = False
    count: int = 0
    adjective: str = ""
    relative: "Relative | None" = None


@dataclass(frozen=True, slots=True)
class Name:
    """A proper name.

    Attributes:
        kind: `PER`, `LOC` or `ORG`.
        parts: PER: a given name, with or without a surname; LOC: one key; ORG: a key and the concept of its kind.
    """

    kind: Literal["PER", "LOC", "ORG"]
    parts: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Pronoun:
    """A personal pronoun; the speaker is a man where a language asks."""

    person: Literal["I", "we", "they"]


NounPhrase = Common | Name | Pronoun


@dataclass(frozen=True, slots=True)
class Relative:
    """A relative clause without adjuncts; its tense is the outer clause's, present where that is future.

    Attributes:
        role: What the noun is in it.
        verb: Concept.
        other: The other argument; None in a subject relative of an intransitive verb.
    """

    role: Literal["subject", "object"]
    verb: str
    other: NounPhrase | None = None


@dataclass(frozen=True, slots=True)
class Clause:
    """A clause.

    Attributes:
        subject: Its subject.
        verb: Concept.
        tense: Its tense; a clause within `content` or after `when` has the tense of the outer one.
        negative: Whether it is negated.
        object: The object of a transitive verb.
        content: What is said, known, ... ; its tense follows from the outer clause like a relative clause's.
        manner: Concept of an adverb, or empty.
        place: Place of the event; a common noun in it is singular.
        time: Concept of a time, a year as `in_1987`, or empty; empty only in the past and in clauses that take their
            tense from the outer one, so that languages without such a tense do not leave it open.
    """

    subject: NounPhrase
    verb: str
    tense: Tense = "past"
    negative: bool = False
    object: NounPhrase | None = None
    content: "Clause | None" = None
    manner: str = ""
    place: NounPhrase | None = None
    time: str = ""


@dataclass(frozen=True, slots=True)
class Statement:
    """A sentence: a clause, or two that are linked.

    Attributes:
        main: The first clause of a coordination, the main clause otherwise.
        link: How they are linked.
        second: The second clause, or the subordinate one.
    """

    main: Clause
    link: Link = ""
    second: Clause | None = None


def inner_tense(tense: Tense) -> Tense:
    """The tense of a clause that takes its own from the outer one."""
    return "present" if tense == "future" else tense
