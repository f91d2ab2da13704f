"""Sentences back to their abstract trees: a chart over what the language was seen to write.

Constituents are proposed from the tables of `inventory.py`, from small to large, and each is kept only if the language
writes it as it stands. What is left in the end are exactly the trees that the sentence is a reading of.
"""

from collections.abc import Iterator, Sequence
from itertools import product

from services.datagen.grammar.concepts import concepts, year_of
from services.datagen.grammar.inventory import PHRASES, Forms, VerbUse, inventory_of
from services.datagen.grammar.languages.base import CLOSING, Language
from services.datagen.grammar.names import kind_of
from services.datagen.grammar.syntax import (
    DEEPEST,
    Clause,
    Common,
    Link,
    Name,
    NounPhrase,
    Relative,
    Statement,
    Tense,
    inner_tense,
)

INNER: tuple[Tense, ...] = ("past", "present")
"""Tenses that a clause may take from the outer one."""

Found = list[tuple[int, NounPhrase]]
"""Where a constituent ends, and what it is."""


def parse(language: Language, forms: Sequence[str]) -> list[Statement]:
    """All abstract trees that a sentence is a reading of; one by design, none where it is not of this grammar.

    Args:
        language: The language.
        forms: Its words, with punctuation, as `Sentence.words` has them.
    """
    found: list[Statement] = []
    for first in dict.fromkeys((forms[0], language.uncapital(forms[0]))) if forms else ():
        found += [one for one in _Chart(language, (first, *forms[1:])).statements() if one not in found]
    return [one for one in found if _written(language, one) == tuple(forms)]


def _written(language: Language, statement: Statement) -> Forms:
    forms = language.statement(statement).forms
    return (language.capital(forms[0]), *forms[1:])


class _Chart:
    """The constituents of one sentence, by where they begin."""

    def __init__(self, language: Language, forms: Forms) -> None:
        self.language = language
        self.forms = forms
        self.tables = inventory_of(language)
        self.ends = {(",",), (language.stop,)}
        self._phrases: dict[tuple[int, int, Tense], Found] = {}
        self._clauses: dict[tuple[int, int, str, Tense | None], list[tuple[int, Clause]]] = {}
        self._cores: dict[int, Found] = {}

    def statements(self) -> Iterator[Statement]:
        """Readings of the whole sentence."""
        for shape, links in self.tables.links.items():
            for link in links:
                yield from self._linked(shape, link)

    def _linked(self, shape: tuple[str, ...], link: Link) -> Iterator[Statement]:
        states: list[tuple[int, Clause | None, Clause | None]] = [(0, None, None)]
        for slot in shape:
            following = []
            for position, main, second in states:
                if slot in {"main", "second"}:
                    whole = slot == "main" or link in {"and", "but"}
                    modes = self.language.main_modes if whole else (link,)
                    tenses: tuple[Tense | None, ...] = (None,)
                    if slot == "second" and link == "when":
                        tenses = (main.tense,) if main else INNER
                    for mode, tense in product(modes, tenses):
                        for end, clause in self._clause(position, DEEPEST, mode, tense):
                            pair = (clause, second) if slot == "main" else (main, clause)
                            following.append((end, *pair))
                else:
                    following += [(end, main, second) for end, _ in self._words(slot, position)]
            states = following
        for position, main, second in states:
            if main is None or (link == "when" and second and second.tense != main.tense):
                continue
            if position == len(self.forms):
                yield Statement(main, link, second)

    def _clause(self, start: int, depth: int, mode: str, tense: Tense | None) -> list[tuple[int, Clause]]:
        """Clauses from here; `tense` is given where it follows from the outer clause."""
        key = (start, depth, mode, tense)
        if key not in self._clauses:
            found = []
            for shape in self.tables.clauses.get(mode, ()):
                found += list(self._shaped(shape, start, depth, mode, tense))
            self._clauses[key] = list(dict.fromkeys(found))
        return self._clauses[key]

    def _shaped(
        self, shape: tuple[str, ...], start: int, depth: int, mode: str, tense: Tense | None
    ) -> Iterator[tuple[int, Clause]]:
        for end, filled, use in self._fill(shape, start, depth, tense):
            for verb, verb_tense, negative in use or ():
                clause = _clause_of(filled, verb, tense or verb_tense, negative)
                if clause is None or (not tense and not _timed(clause)) or (tense and verb_tense != tense):
                    continue
                if clause.content and clause.content.tense != inner_tense(clause.tense):
                    continue
                if _bare(self.language.clause(clause, mode).forms) == _bare(self.forms[start:end]):
                    yield end, clause

    def _fill(
        self, shape: tuple[str, ...], start: int, depth: int, tense: Tense | None
    ) -> list[tuple[int, dict[str, object], set[VerbUse] | None]]:
        """Ways to fill the slots of a shape from here: where it ends, with what, and what the verb may be."""
        states: list[tuple[int, dict[str, object], set[VerbUse] | None]] = [(start, {}, None)]
        for slot in shape:
            following: list[tuple[int, dict[str, object], set[VerbUse] | None]] = []
            for position, filled, use in states:
                if position >= len(self.forms):
                    continue
                if slot in PHRASES:
                    for end, value in self._constituents(slot, position, depth, tense):
                        following.append((end, {**filled, slot: value}, use))
                else:
                    for end, uses in self._words(slot, position):
                        both = uses if use is None else use & uses
                        if not slot.startswith("v"):
                            following.append((end, filled, use))
                        elif both:
                            following.append((end, filled, both))
            states = following
        return states

    def _constituents(self, slot: str, start: int, depth: int, tense: Tense | None) -> Iterator[tuple[int, object]]:
        if slot == "manner":
            yield from self._adverbial(self.tables.manners, start)
        elif slot == "time":
            yield from self._adverbial(self.tables.times, start)
        elif slot == "core":
            yield from self._core(start)
        elif slot == "content":
            if depth > 0:
                for inner, mode in product((tense,) if tense else INNER, self.language.content_modes):
                    yield from self._clause(start, depth - 1, mode, inner_tense(inner))
        else:
            for inner in (inner_tense(tense),) if tense else INNER:
                yield from self._phrase(start, depth, inner)

    def _adverbial(self, table: dict[Forms, set[str]], start: int) -> Iterator[tuple[int, object]]:
        for end in range(start + 1, min(start + 6, len(self.forms)) + 1):
            for value in table.get(self.forms[start:end], ()):
                yield end, value

    def _words(self, slot: str, start: int) -> Iterator[tuple[int, set[VerbUse]]]:
        if slot == CLOSING and self.forms[start : start + 1] in self.ends:
            yield start, set()
        for end in range(start + 1, min(start + 7, len(self.forms)) + 1):
            if uses := self.tables.verbs.get((slot, self.forms[start:end])):
                yield end, uses

    def _phrase(self, start: int, depth: int, tense: Tense) -> Found:
        """Noun phrases from here."""
        key = (start, depth, tense)
        if key not in self._phrases:
            found = list(self._core(start))
            if depth > 0:
                for shape in self.tables.relatives:
                    found += list(self._relative(shape, start, depth, tense))
            self._phrases[key] = list(dict.fromkeys(found))
        return self._phrases[key]

    def _relative(
        self, shape: tuple[str, ...], start: int, depth: int, tense: Tense
    ) -> Iterator[tuple[int, NounPhrase]]:
        for end, filled, use in self._fill(shape, start, depth - 1, tense):
            noun, other = filled["core"], filled.get("other")
            if not isinstance(noun, Common) or noun.det != "the" or noun.plural:
                continue
            for verb in {verb for verb, verb_tense, _ in use or () if verb_tense == tense}:
                transitive = concepts().verbs[verb].transitive
                if concepts().verbs[verb].takes_clause or transitive != (other is not None):
                    continue
                for role in ("subject", "object") if transitive else ("subject",):
                    relative = Relative(role, verb, other)  # type: ignore[arg-type]
                    phrase = Common(noun.noun, "the", False, 0, noun.adjective, relative)
                    if self._is_written(phrase, start, end, tense):
                        yield end, phrase

    def _core(self, start: int) -> Found:
        if start not in self._cores:
            found: Found = []
            for end in range(start + 1, min(start + self.tables.longest, len(self.forms)) + 1):
                forms = self.language.core_key(self.forms[start:end])
                found += [(end, phrase) for phrase, _ in self.tables.cores.get(forms, ())]
                found += [(end, phrase) for phrase in self._described(start, end)]
                found += [(end, phrase) for phrase in self._named(start, end)]
            self._cores[start] = list(dict.fromkeys(found))
        return self._cores[start]

    def _described(self, start: int, end: int) -> Iterator[NounPhrase]:
        """Cores with an adjective: the adjective is taken out and the rest looked up."""
        forms = self.language.core_key(self.forms[start:end])
        for size, place in product((1, 2), range(len(forms))):
            for adjective in self.tables.adjectives.get(forms[place : place + size], ()):
                for phrase, role in self.tables.cores.get(forms[:place] + forms[place + size :], ()):
                    if isinstance(phrase, Common):
                        full = Common(phrase.noun, phrase.det, phrase.plural, phrase.count, adjective)
                        if self.language.core(full, role).forms == self.forms[start:end]:
                            yield full

    def _named(self, start: int, end: int) -> Iterator[NounPhrase]:
        keys = [key for form in self.forms[start:end] for key in self.tables.names.get(form, ())]
        kinds: dict[str, list[str]] = {}
        for key in keys:
            kinds.setdefault(kind_of(key), []).append(key)
        given = kinds.get("man", []) + kinds.get("woman", [])
        proposed = [Name("PER", (key,)) for key in given]
        proposed += [Name("PER", (key, surname)) for key in given for surname in kinds.get("surname", ())]
        proposed += [Name("LOC", (key,)) for key in kinds.get("place", ())]
        proposed += [
            Name("ORG", (key, kind)) for key in kinds.get("organisation", ()) for kind in concepts().organisations
        ]
        for name in proposed:
            if any(self.language.core(name, role).forms == self.forms[start:end] for role in self.language.roles):
                yield name

    def _is_written(self, phrase: NounPhrase, start: int, end: int, tense: Tense) -> bool:
        forms = _bare(self.forms[start:end])
        return any(_bare(self.language.np(phrase, role, tense).forms) == forms for role in self.language.roles)


def _bare(forms: Forms) -> Forms:
    """Forms with commas as they are written: one where several meet, none at the end."""
    kept = [form for form, after in zip(forms, (*forms[1:], ","), strict=True) if not (form == after == ",")]
    return tuple(kept)


def _clause_of(filled: dict[str, object], verb: str, tense: Tense, negative: bool) -> Clause | None:
    """A clause from what its slots hold; None where the verb does not take it."""
    concept = concepts().verbs[verb]
    if concept.transitive != ("object" in filled) or concept.takes_clause != ("content" in filled):
        return None
    return Clause(
        subject=filled["subject"],  # type: ignore[arg-type]
        verb=verb,
        tense=tense,
        negative=negative,
        object=filled.get("object"),  # type: ignore[arg-type]
        content=filled.get("content"),  # type: ignore[arg-type]
        manner=filled.get("manner", ""),  # type: ignore[arg-type]
        place=filled.get("place"),  # type: ignore[arg-type]
        time=filled.get("time", ""),  # type: ignore[arg-type]
    )


def _timed(clause: Clause) -> bool:
    """Whether a clause's time goes with its tense."""
    if not clause.time:
        return clause.tense == "past"
    if year := year_of(clause.time):
        return clause.tense == ("future" if year >= 2030 else "past")
    return concepts().times[clause.time] == clause.tense
