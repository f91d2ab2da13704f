"""What a language can write, tabulated by letting it write: forms of cores, verbs and adverbials, shapes of clauses.

Nothing here knows a language. Every table is filled with the language's own forward rules, over all concepts, so a
language is stated once and read back from what it writes.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import cache
from itertools import product

from services.datagen.grammar import names
from services.datagen.grammar.concepts import FUTURE_YEARS, PAST_YEARS, Verb, concepts
from services.datagen.grammar.languages.base import Language
from services.datagen.grammar.linear import Phrase, Tok
from services.datagen.grammar.syntax import (
    COUNTS,
    Clause,
    Common,
    Det,
    Link,
    Name,
    NounPhrase,
    Pronoun,
    Relative,
    Statement,
    Tense,
)

Forms = tuple[str, ...]
Shape = tuple[str, ...]
VerbUse = tuple[str, Tense, bool]
"""A verb, its tense, whether it is negated."""

PHRASES = frozenset({"subject", "object", "place", "other", "core", "content", "main", "second", "manner", "time"})
_TENSES: tuple[Tense, ...] = ("past", "present", "future")
_MAN, _WOMAN = Name("PER", (names.inventory("man")[0],)), Name("PER", (names.inventory("woman")[0],))
_SOME_TIMES = {"past": ("yesterday", "in_1987"), "present": ("often",), "future": ("tomorrow",)}
_TRIED = 16
"""Verbs of a kind that are written in every frame; the others only where one of these shows another form."""
_CITY = Name("LOC", (names.inventory("place")[0],))


@dataclass(frozen=True, slots=True)
class Inventory:
    """The tables of one language.

    Attributes:
        cores: Forms of a core without adjective to the phrases it may be, with their roles.
        adjectives: Forms of adjectives, one or two words, to concepts.
        names: Form of a word of a name to its keys.
        manners: Form of an adverb to its concepts.
        times: Forms of a time adverbial to its concepts: Hindi has one word for yesterday and tomorrow.
        verbs: Slot and forms to what the verb may be; fixed words stand under the empty concept.
        clauses: Shapes of clauses by mode.
        relatives: Shapes of noun phrases with a relative clause.
        links: Shapes of linked sentences, with the link.
        longest: Most words of a core.
    """

    cores: dict[Forms, list[tuple[NounPhrase, str]]]
    adjectives: dict[Forms, set[str]]
    names: dict[str, set[str]]
    manners: dict[Forms, set[str]]
    times: dict[Forms, set[str]]
    verbs: dict[tuple[str, Forms], set[VerbUse]]
    clauses: dict[str, set[Shape]]
    relatives: set[Shape]
    links: dict[Shape, set[Link]]
    longest: int


def determiners() -> Iterator[tuple[Det, bool, int]]:
    """All determiners with number and count."""
    yield from (("the", False, 0), ("the", True, 0), ("this", False, 0), ("this", True, 0), ("a", False, 0))
    yield from (("many", True, 0), ("several", True, 0))
    yield from (("count", True, count) for count in COUNTS)


@cache
def inventory_of(language: Language) -> Inventory:
    """Tabulates a language, once."""
    cores: dict[Forms, list[tuple[NounPhrase, str]]] = defaultdict(list)
    for phrase in _simple_phrases():
        for role in language.roles:
            if role == "place" and isinstance(phrase, Common) and (phrase.plural or not _is_place(phrase)):
                continue  # places are one by one
            forms = language.core(phrase, role).forms
            cores[language.core_key(forms)].append((phrase, role))
    verbs: dict[tuple[str, Forms], set[VerbUse]] = defaultdict(set)
    clauses: dict[str, set[Shape]] = defaultdict(set)
    for clause, mode, written in _clauses(language):
        clauses[mode].add(_record(written, (clause.verb, clause.tense, clause.negative), verbs))
    relatives = set()
    for noun, role, tense in _relatives(language):
        assert noun.relative is not None
        relatives.add(_record(language.np(noun, role, tense), (noun.relative.verb, tense, False), verbs))
    links: dict[Shape, set[Link]] = defaultdict(set)
    for statement in _statements():
        shape = _record(language.statement(statement), ("", "past", False), verbs)
        links[shape].add(statement.link)
    return Inventory(
        cores=dict(cores),
        adjectives=_adjectives(language),
        names=_name_forms(language),
        manners=_grouped(((language.manner(manner).form,), manner) for manner in concepts().manners),
        times=_grouped((language.time(time).forms, time) for time in _times()),
        verbs=dict(verbs),
        clauses=dict(clauses),
        relatives=relatives,
        links=dict(links),
        longest=max(map(len, cores)) + 2,
    )


def _record(phrase: Phrase, use: VerbUse, verbs: dict[tuple[str, Forms], set[VerbUse]]) -> Shape:
    """Notes the words of the slots that hold words; returns the slots."""
    for slot, tokens in phrase.parts:
        if slot not in PHRASES:
            verbs[slot, _forms(tokens)].add(use if slot.startswith("v") else ("", "past", False))
    return tuple(slot for slot, _ in phrase.parts)


def _is_place(phrase: Common) -> bool:
    return concepts().nouns[phrase.noun].kind == "place"


def _simple_phrases() -> Iterator[NounPhrase]:
    for noun, (det, plural, count) in product(concepts().nouns, determiners()):
        yield Common(noun, det, plural, count)
    yield from (Pronoun("I"), Pronoun("we"), Pronoun("they"))


def _representatives(language: Language) -> list[NounPhrase]:
    """One noun phrase for each thing that verbs may agree with."""
    found: dict[tuple[str, ...], NounPhrase] = {}
    for phrase in (Pronoun("I"), Pronoun("we"), Pronoun("they"), _MAN, _WOMAN, _CITY):
        found.setdefault(language.agreement(phrase), phrase)
    for organisation in concepts().organisations:
        name = Name("ORG", (names.inventory("organisation")[0], organisation))
        found.setdefault(language.agreement(name), name)
    for noun, plural in product(concepts().nouns, (False, True)):
        common = Common(noun, "the", plural)
        found.setdefault(language.agreement(common), common)
    return list(found.values())


def _clauses(language: Language) -> Iterator[tuple[Clause, str, Phrase]]:
    """Clauses that show all forms of all verbs, and all shapes, with their modes and as they are written."""
    for like in ("read", "sleep", "say"):
        kind = concepts().verbs[like]
        verbs = [
            verb.id
            for verb in concepts().verbs.values()
            if (verb.transitive, verb.takes_clause) == (kind.transitive, kind.takes_clause)
        ]
        seen = set()
        for frame, mode in _frames(language, kind):
            written = []
            for verb in verbs[:_TRIED]:
                clause = replace(frame, verb=verb)
                phrase = language.clause(clause, mode)
                yield clause, mode, phrase
                written.append(tuple((slot, _forms(tokens)) for slot, tokens in phrase.parts if slot[0] == "v"))
            agreement = (frame.tense, frame.negative, tuple(written))
            for verb in verbs[_TRIED:] if agreement not in seen else ():
                clause = replace(frame, verb=verb)
                yield clause, mode, language.clause(clause, mode)
            seen.add(agreement)
    for clause, mode in _shaped(language):
        yield clause, mode, language.clause(clause, mode)


def _forms(tokens: Iterable[Tok]) -> Forms:
    """The surface forms of some tokens."""
    return tuple(token.form for token in tokens)


def _frames(language: Language, kind: Verb) -> Iterator[tuple[Clause, str]]:
    """Clauses that show all that verbs of a kind may agree with; their own verb stands for others."""
    agents = _representatives(language)
    object_ = Common("book") if kind.transitive else None
    content = Clause(_MAN, "sleep") if kind.takes_clause else None
    for tense, negative, mode in product(_TENSES, (False, True), _modes(language)):
        for subject in agents:
            yield Clause(subject, kind.id, tense, negative, object_, content), mode
        for thing in agents if object_ else ():
            yield Clause(_MAN, kind.id, tense, negative, thing), mode
            if isinstance(thing, Pronoun):
                for subject in agents:
                    yield Clause(subject, kind.id, tense, negative, thing), mode


def _modes(language: Language) -> tuple[str, ...]:
    return (*language.main_modes, *language.content_modes, "because", "when")


def _shaped(language: Language) -> Iterator[tuple[Clause, str]]:
    """Clauses that show all shapes."""
    modes, inner, book = _modes(language), Clause(_MAN, "sleep"), Common("book")
    subjects: tuple[NounPhrase, ...] = (_MAN, Pronoun("I"), Common("teacher"))
    options = product(("read", "sleep", "say"), _TENSES, (False, True), subjects, ("", "quickly"), (False, True), modes)
    for verb_, tense, negative, subject, manner, placed, mode in options:
        things: tuple[NounPhrase | None, ...] = (book, Pronoun("we"), _MAN, Common("book", "a"))
        for filler, time in product(things if verb_ == "read" else (None,), ("", *_SOME_TIMES[tense])):
            place = Common("park") if placed else None
            clause = Clause(subject, verb_, tense, negative, filler, None, manner, place, time)
            yield replace(clause, content=inner) if verb_ == "say" else clause, mode


def _relatives(language: Language) -> Iterator[tuple[Common, str, Tense]]:
    agents = _representatives(language)
    heads = [agent for agent in agents if isinstance(agent, Common) and not agent.plural]
    tenses: tuple[Tense, ...] = ("past", "present")
    roles = language.roles
    for verb, tense in product(concepts().verbs.values(), tenses):
        for head in heads:
            if verb.transitive:
                yield replace(head, relative=Relative("subject", verb.id, Common("book"))), "subject", tense
                yield replace(head, relative=Relative("object", verb.id, _MAN)), "subject", tense
            elif not verb.takes_clause:
                yield replace(head, relative=Relative("subject", verb.id)), "subject", tense
        for agent in agents if verb.transitive else ():
            yield Common("teacher", relative=Relative("object", verb.id, agent)), "subject", tense
            yield Common("teacher", relative=Relative("subject", verb.id, agent)), "subject", tense
    for role, tense, head in product(roles, tenses, heads):
        yield replace(head, relative=Relative("subject", "sleep")), role, tense
        for agent in agents:
            yield replace(head, relative=Relative("object", "see", agent)), role, tense
            yield replace(head, relative=Relative("subject", "see", agent)), role, tense


def _statements() -> Iterator[Statement]:
    clause = Clause(_MAN, "sleep")
    yield Statement(clause)
    links: tuple[Link, ...] = ("and", "but", "because", "when")
    yield from (Statement(clause, link, clause) for link in links)
    sounds = {key[:2]: Name("PER", (key,)) for key in names.inventory("man")}
    for name in sounds.values():  # a conjunction may depend on the sound that follows: Spanish y, e
        yield Statement(clause, "and", Clause(name, "sleep"))


def _grouped(pairs: Iterable[tuple[Forms, str]]) -> dict[Forms, set[str]]:
    found: dict[Forms, set[str]] = defaultdict(set)
    for forms, concept in pairs:
        found[forms].add(concept)
    return dict(found)


def _times() -> Iterator[str]:
    yield from concepts().times
    yield from (f"in_{year}" for years in (PAST_YEARS, FUTURE_YEARS) for year in years)


def _adjectives(language: Language) -> dict[Forms, set[str]]:
    """Forms of adjectives: what a core has more than the same core without."""
    found: dict[Forms, set[str]] = defaultdict(set)
    agents = [phrase for phrase in _representatives(language) if isinstance(phrase, Common)]
    places = [Common("park"), Common("city"), Common("table"), Common("lamp")]
    for phrase, role, (det, plural, count) in product([*agents, *places], language.roles, determiners()):
        if plural != phrase.plural:
            continue
        plain = replace(phrase, det=det, count=count)
        shorter = language.core_key(language.core(plain, role).forms)
        for adjective in concepts().adjectives:
            longer = language.core_key(language.core(replace(plain, adjective=adjective), role).forms)
            found[_difference(longer, shorter)].add(adjective)
    return dict(found)


def _difference(longer: Forms, shorter: Forms) -> Forms:
    size = len(longer) - len(shorter)
    for start in range(len(shorter) + 1):
        if longer[:start] + longer[start + size :] == shorter:
            return longer[start : start + size]
    raise AssertionError(f"{longer} is not {shorter} with an adjective")


def _name_forms(language: Language) -> dict[str, set[str]]:
    found: dict[str, set[str]] = defaultdict(set)
    man = names.inventory("man")[0]
    for kind in names.COUNTS:
        for key in names.inventory(kind):
            for role in language.roles:
                if kind == "organisation":
                    phrases = [Name("ORG", (key, concept)) for concept in concepts().organisations[:1]]
                elif kind == "surname":
                    phrases = [Name("PER", (man, key))]
                elif kind == "place":
                    phrases = [Name("LOC", (key,))]
                else:  # a given name is written otherwise where a surname follows
                    phrases = [Name("PER", (key,)), Name("PER", (key, "ka-ro-ko"))]
                for phrase in phrases:
                    for token in language.core(phrase, role).tokens:
                        if token.lemma == language.spell(key):
                            found[token.form].add(key)
    return dict(found)
