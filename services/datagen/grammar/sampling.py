"""Abstract trees drawn at random: concepts by Zipf's law within what a verb and a topic ask for, up to a depth.

Nothing here knows which languages will be written, so an item says the same in all of them.
"""

from bisect import bisect
from dataclasses import dataclass, replace
from functools import cache
from itertools import accumulate
from typing import TypeVar

import numpy as np

from services.datagen.grammar.concepts import ANY, DOMAINS, FUTURE_YEARS, PAST_YEARS, Side, Verb, concepts
from services.datagen.grammar.matter import Matter
from services.datagen.grammar.names import inventory
from services.datagen.grammar.syntax import (
    COUNTS,
    Clause,
    Common,
    Link,
    Name,
    NounPhrase,
    Pronoun,
    Relative,
    Statement,
    Tense,
    inner_tense,
)

T = TypeVar("T")

_BUSINESS = frozenset({"buy", "sell", "build", "use", "repair", "say", "believe"})
_APART = frozenset({"place", "sky", "abstract"})
"""Classes that `any` leaves out: a verb takes them only by name."""


@cache
def _cumulated(size: int) -> tuple[float, ...]:
    return tuple(accumulate(1 / rank for rank in range(1, size + 1)))


@cache
def nouns(domain: str, kinds: tuple[str, ...]) -> tuple[str, ...]:
    """The nouns of a domain and of some classes, by rank; `any` stands for all but those that stand apart."""
    letter = DOMAINS[domain]
    return tuple(
        noun.id
        for noun in concepts().nouns.values()
        if letter in noun.domains and (noun.kind in kinds or (ANY in kinds and noun.kind not in _APART))
    )


@cache
def verbs(domain: str, kind: str) -> tuple[Verb, ...]:
    """The verbs of a domain: `transitive`, `intransitive` or `clause`."""
    found = [verb for verb in concepts().verbs.values() if DOMAINS[domain] in verb.domains]
    if kind == "clause":
        return tuple(verb for verb in found if verb.takes_clause)
    wanted = kind == "transitive"
    usable = [verb for verb in found if not verb.takes_clause and verb.transitive == wanted]
    return tuple(
        verb for verb in usable if nouns(domain, verb.subjects) and (not wanted or nouns(domain, verb.objects))
    )


@cache
def doing(domain: str, kind: str) -> tuple[Verb, ...]:
    """The verbs of a domain that nouns of a class are subjects of, clauses aside."""
    both = (*verbs(domain, "transitive"), *verbs(domain, "intransitive"))
    return tuple(verb for verb in both if kind in verb.subjects)


@cache
def taking(domain: str, kind: str) -> tuple[Verb, ...]:
    """The verbs of a domain that nouns of a class are objects of."""
    return tuple(
        verb
        for verb in verbs(domain, "transitive")
        if kind in verb.objects or (ANY in verb.objects and kind not in _APART)
    )


@cache
def adjectives(kind: str) -> tuple[str, ...]:
    """The adjectives that go with a class of nouns, by rank."""
    return tuple(name for name, kinds in concepts().adjectives.items() if kind in kinds)


@dataclass(frozen=True, slots=True)
class Sampler:
    """Draws trees.

    Attributes:
        draws: Source of randomness.
        domain: `everyday` or `nature`.
        depth: Deepest nesting of clauses, from 1.
        matter: What the text is about; None where words are drawn by class and rank alone.
    """

    draws: np.random.Generator
    domain: str
    depth: int
    matter: Matter | None = None

    def chance(self, probability: float) -> bool:
        """True with a probability."""
        return bool(self.draws.random() < probability)

    def zipf(self, items: tuple[T, ...]) -> T:
        """One of some items, in proportion to one over its rank."""
        total = _cumulated(len(items))
        return items[min(bisect(total, self.draws.random() * total[-1]), len(items) - 1)]

    def even(self, items: tuple[T, ...] | list[T]) -> T:
        """One of some items, each as likely."""
        return items[int(self.draws.random() * len(items))]

    def statement(self) -> Statement:
        """A sentence."""
        if self.depth < 2 or not self.chance(0.35):
            return Statement(self.clause(self.depth))
        link: Link = self.even(("and", "but", "because", "when"))
        main = self.clause(
            self.depth - 1, tenses=("past", "present") if link == "when" else ("past", "present", "future")
        )
        if link != "when":
            return Statement(main, link, self.clause(self.depth - 1))
        second = self.clause(self.depth - 1, tenses=(main.tense,), inner=True)
        return Statement(main, link, second)

    def clause(
        self,
        depth: int,
        *,
        tenses: tuple[Tense, ...] = ("past", "past", "present", "future"),
        inner: bool = False,
        negative: bool | None = None,
        kind: str = "",
        subject: NounPhrase | None = None,
    ) -> Clause:
        """A clause.

        Args:
            depth: Levels of clauses left, this one among them.
            tenses: Tenses to draw from.
            inner: Whether its tense comes from an outer clause, so that it has no time of its own.
            negative: Whether it is negated; drawn where None.
            kind: Kind of its verb; drawn where empty.
            subject: Its subject; drawn where None.
        """
        if not kind:
            kind = "clause" if depth > 1 and self.chance(0.2) else "transitive" if self.chance(0.7) else "intransitive"
        verb = self.verb(verbs(self.domain, kind))
        tense = self.even(tenses)
        if negative is None:
            negative = not verb.takes_clause and self.chance(0.2)
        subject = subject or self.subject(verb, depth, definite=negative)
        clause = Clause(subject, verb.id, tense, negative)
        if verb.transitive:
            clause = replace(clause, object=self.object(verb, subject, depth, definite=negative))
        if verb.takes_clause:
            content = self.clause(depth - 1, tenses=(inner_tense(tense),), inner=True)
            return replace(clause, content=content, time="" if inner else self.time(tense))
        return replace(
            clause,
            manner=self.manner() if self.chance(0.2) else "",
            place=self.place(depth) if self.chance(0.35) else None,
            time="" if inner else self.time(tense),
        )

    def time(self, tense: Tense, *, always: bool = False) -> str:
        """A time that goes with a tense; in the past often none."""
        if tense == "past" and not always and self.chance(0.5):
            return ""
        years = {"past": PAST_YEARS, "future": FUTURE_YEARS}.get(tense)
        if years is not None and self.chance(0.35):
            return f"in_{self.even(list(years))}"
        return self.zipf(tuple(time for time, of in concepts().times.items() if of == tense))

    def verb(self, offered: tuple[Verb, ...]) -> Verb:
        """One of some verbs."""
        if self.matter is None:
            return self.zipf(offered)
        likely = self.matter.likely_verbs(self.draws, tuple(verb.id for verb in offered), self._spoken_of)
        return concepts().verbs[self.zipf(likely)]

    def _spoken_of(self, verb: str) -> tuple[str, ...]:
        """The nouns that a verb takes as objects, or as subjects where it takes no objects."""
        found = concepts().verbs[verb]
        return nouns(self.domain, found.objects if found.transitive else found.subjects)

    def noun(self, allowed: tuple[str, ...], governor: str, side: Side) -> str:
        """One of the nouns that are allowed, for the verb that governs it."""
        if self.matter is None:
            return self.zipf(allowed)
        return self.zipf(self.matter.likely_nouns(self.draws, allowed, governor, side))

    def manner(self) -> str:
        """An adverb of manner."""
        return self.zipf(concepts().manners if self.matter is None else self.matter.likely_manners(self.draws))

    def person(self) -> Name:
        """A person's name, with or without surname."""
        return self._again("PER") or self._kept(self._new_person())

    def _again(self, kind: str) -> Name | None:
        return None if self.matter is None else self.matter.named(self.draws, kind)

    def _kept(self, name: Name) -> Name:
        if self.matter is not None:
            self.matter.keep_name(name)
        return name

    def _new_person(self) -> Name:
        given = self.zipf(inventory(self.even(("man", "woman"))))
        return Name("PER", (given, self.zipf(inventory("surname"))) if self.chance(0.5) else (given,))

    def city(self) -> Name:
        """A place's name."""
        return self._again("LOC") or self._kept(Name("LOC", (self.zipf(inventory("place")),)))

    def organisation(self) -> Name:
        """An organisation's name."""
        return self._again("ORG") or self._kept(
            Name("ORG", (self.zipf(inventory("organisation")), self.zipf(concepts().organisations)))
        )

    def subject(self, verb: Verb, depth: int, *, definite: bool) -> NounPhrase:
        """A subject for a verb."""
        if "person" in verb.subjects:
            if verb.id in _BUSINESS and self.chance(0.2):
                return self.organisation()
            if self.chance(0.3):
                return self.person()
            if self.chance(0.2):
                return Pronoun(self.even(("I", "we", "they")))
        return self.common(nouns(self.domain, verb.subjects), depth, definite=definite, governor=verb.id)

    def object(self, verb: Verb, subject: NounPhrase, depth: int, *, definite: bool) -> NounPhrase:
        """An object for a verb, not the subject again."""
        if "person" in verb.objects or ANY in verb.objects:
            if self.chance(0.25):
                name = self.person()
                if name != subject:
                    return name
            if self.chance(0.15) and not isinstance(subject, Pronoun):
                return Pronoun(self.even(("I", "we", "they")))
        taken = subject.noun if isinstance(subject, Common) else ""
        allowed = nouns(self.domain, verb.objects)
        return self.common(allowed, depth, definite=definite, taken=taken, governor=verb.id, side="object")

    def place(self, depth: int) -> NounPhrase:
        """A place: a city, an organisation, or a common noun."""
        if self.chance(0.3):
            return self.city()
        if self.chance(0.15):
            return self.organisation()
        noun, known = self._named_or_new(nouns(self.domain, ("place",)), "", "", "subject")
        phrase = Common(noun, "the" if known else self.even(("the", "the", "this", "a")))
        return self.described(phrase) if self.chance(0.3) else phrase

    def _named_or_new(self, allowed: tuple[str, ...], taken: str, governor: str, side: Side) -> tuple[str, bool]:
        """A noun, not the one that is taken, and whether the text has named it before."""
        if self.matter is not None:
            known = self.matter.named_noun(self.draws, allowed, taken)
            if known:
                return known, True
        noun = self.noun(allowed, governor, side)
        while noun == taken:
            noun = self.noun(allowed, governor, side)
        if self.matter is not None:
            self.matter.keep_noun(noun)
        return noun, False

    def common(
        self,
        allowed: tuple[str, ...],
        depth: int,
        *,
        definite: bool,
        taken: str = "",
        governor: str = "",
        side: Side = "subject",
    ) -> Common:
        """A common noun, not the one that is taken, with determiner, adjective, relative clause."""
        noun, known = self._named_or_new(allowed, taken, governor, side)
        if known:
            phrase = Common(noun)
            return self.described(phrase) if self.chance(0.15) else phrase
        draw = self.draws.random()
        phrase = Common(noun, "the", self.chance(0.25))
        if draw < 0.15:
            phrase = replace(phrase, det="this")
        elif not definite and draw < 0.4:
            phrase = replace(phrase, det="a", plural=False)
        elif not definite and draw < 0.6:
            phrase = replace(phrase, det=self.even(("many", "several", "count", "count")), plural=True)
            if phrase.det == "count":
                phrase = replace(phrase, count=self.zipf(COUNTS))
        if self.chance(0.3):
            phrase = self.described(phrase)
        if depth > 1 and phrase.det == "the" and not phrase.plural and self.chance(0.3):
            phrase = replace(phrase, relative=self.relative(noun, depth - 1))
        return phrase

    def described(self, phrase: Common) -> Common:
        """A noun phrase with an adjective, where one goes with it."""
        fitting = adjectives(concepts().nouns[phrase.noun].kind)
        if fitting and self.matter is not None:
            fitting = self.matter.likely_adjectives(self.draws, phrase.noun, fitting)
        return replace(phrase, adjective=self.zipf(fitting)) if fitting else phrase

    def relative(self, noun: str, depth: int) -> Relative | None:
        """A relative clause on a noun; None where no verb goes with it."""
        kind = concepts().nouns[noun].kind
        if kind in {"person", "animal"} and self.chance(0.7):
            verb = self.verb(doing(self.domain, kind))
            other = self.object(verb, Common(noun), depth, definite=False) if verb.transitive else None
            return Relative("subject", verb.id, other)
        takes = taking(self.domain, kind)
        if not takes:
            return None
        verb = self.verb(takes)
        for _ in range(5):
            other = self.subject(verb, depth, definite=False)
            if not (isinstance(other, Common) and other.noun == noun):
                return Relative("object", verb.id, other)
        return None
