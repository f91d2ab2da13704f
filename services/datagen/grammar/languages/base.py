"""What a language of the grammar is: forward only, from the abstract tree to words with heads.

The way back (`services.datagen.grammar.parse`) tabulates what is written here: a language is stated once. A slot of a
phrase is named by `join`'s items: the slots `subject`, `object`, `place`, `other`, `core` hold noun phrases,
`content`, `main` and `second` clauses, `manner` and `time` adverbials; all other slots hold words of the verb (`v...`)
or fixed words.
"""

from abc import ABC, abstractmethod
from itertools import pairwise
from typing import ClassVar

from babelscope.data.examples import Sentence

from services.datagen.grammar.concepts import LEXICA, rows
from services.datagen.grammar.linear import Item, Phrase, Tok, join, sentence_of
from services.datagen.grammar.names import spell
from services.datagen.grammar.syntax import (
    Clause,
    Common,
    Name,
    NounPhrase,
    Pronoun,
    Relative,
    Role,
    Statement,
    Tense,
    inner_tense,
)

CLOSING = "close"
"""The slot of a comma that ends a clause within a sentence: it is not written where other punctuation follows."""

OPENING = frozenset("«¿")


class Language(ABC):
    """One language.

    Attributes:
        tag: BCP 47 tag.
        title: Its English name.
        order: Its basic order of subject, verb and object.
        script: Script in which `names.spell` writes.
        spaced: Whether spaces stand between words.
        cased: Whether a sentence begins with a capital letter.
        roles: Roles that a noun phrase may fill in this language: `subject`, `object`, `place`, and its own.
        main_modes: Modes that the clauses of a sentence may be written in when they are not subordinate.
        content_modes: Modes of clauses that are said, known, ...
        stop: The full stop.
        question_mark: The question mark.
    """

    tag: ClassVar[str]
    title: ClassVar[str]
    order: ClassVar[str]
    script: ClassVar[str] = "latin"
    spaced: ClassVar[bool] = True
    cased: ClassVar[bool] = True
    roles: ClassVar[tuple[str, ...]] = ("subject", "object", "place")
    stop: ClassVar[str] = "."
    main_modes: ClassVar[tuple[str, ...]] = ("main",)
    content_modes: ClassVar[tuple[str, ...]] = ("content",)
    question_mark: ClassVar[str] = "?"

    def __init__(self) -> None:
        self.lexicon: dict[str, list[str]] = {}
        for concept, *fields in rows(LEXICA / f"{self.tag}.tsv"):
            self.lexicon[concept] = fields

    # What every language writes

    @abstractmethod
    def core(self, phrase: NounPhrase, role: str) -> Phrase:
        """A noun phrase without its relative clause, with the adpositions and endings of its role."""

    @abstractmethod
    def relative(self, noun: Common, core: Phrase, relative: Relative, role: str, tense: Tense) -> Phrase:
        """A noun phrase with its relative clause, around its core."""

    @abstractmethod
    def clause(self, clause: Clause, mode: str) -> Phrase:
        """A clause; `mode` is `main`, `content`, `because` or `when`."""

    @abstractmethod
    def link(self, statement: Statement, main: Phrase, second: Phrase) -> Phrase:
        """Two clauses linked."""

    @abstractmethod
    def question(self, clause: Clause, asked: Role) -> Phrase:
        """A question about one constituent of a clause, without its mark."""

    @abstractmethod
    def time(self, time: str) -> Phrase:
        """A time adverbial."""

    @abstractmethod
    def manner(self, manner: str) -> Tok:
        """An adverb of manner."""

    # What follows from it

    def np(self, phrase: NounPhrase, role: str, tense: Tense) -> Phrase:
        """A noun phrase in a role, within a clause of a tense."""
        core = self.core(phrase, role)
        if isinstance(phrase, Common) and phrase.relative is not None:
            return self.relative(phrase, core, phrase.relative, role, inner_tense(tense))
        return core

    def statement(self, statement: Statement) -> Phrase:
        """A whole sentence with its full stop."""
        linked = statement.second is not None
        main = self.clause(statement.main, self.main_mode(statement))
        main = Phrase(main.head, main.tokens, [("main", main.tokens)])
        if linked and statement.second is not None:
            mode = statement.link if statement.link in {"because", "when"} else "main"
            main = self.link(statement, main, self.clause(statement.second, mode))
        return self.ended(main, self.stop)

    def main_mode(self, statement: Statement) -> str:
        """The mode of a sentence's first or main clause."""
        return "main"

    def ended(self, phrase: Phrase, mark: str) -> Phrase:
        """A phrase and the punctuation that ends it; spaces are set."""
        end = self.punct(mark)
        end.deprel, end.head = "punct", phrase.head
        tokens = [*phrase.tokens, end]
        spare = {id(one) for one, after in pairwise(tokens) if one.form == "," and after.form in {",", mark}}
        written = [token for token in tokens if id(token) not in spare]
        done = Phrase(phrase.head, written, [*phrase.parts, ("stop", [end])])
        self.set_spaces(done)
        return done

    def set_spaces(self, phrase: Phrase) -> None:
        """Marks the tokens after which no space follows."""
        tokens = phrase.tokens
        for token, following in pairwise(tokens):
            leans = following.upos == "PUNCT" and following.form not in OPENING
            token.glued = token.glued or not self.spaced or leans or token.form in OPENING

    def capital(self, form: str) -> str:
        """A word as it begins a sentence."""
        return form[:1].upper() + form[1:] if self.cased else form

    def uncapital(self, form: str) -> str:
        """A word that began a sentence, as it is within one."""
        return form[:1].lower() + form[1:] if self.cased else form

    def sentence(self, statement: Statement) -> Sentence:
        """A whole sentence as words and text."""
        return sentence_of(self.statement(statement), self.capital)

    def punct(self, mark: str) -> Tok:
        """A punctuation mark."""
        return Tok(mark, mark, "PUNCT")

    def spell(self, key: str) -> str:
        """A proper name in this language's script."""
        return spell(key, self.script)

    def agreement(self, phrase: NounPhrase) -> tuple[str, ...]:
        """What a verb may agree with in a noun phrase: phrases alike in this have the same verb forms."""
        if isinstance(phrase, Pronoun):
            return ("pronoun", phrase.person)
        if isinstance(phrase, Name):
            return ("name", phrase.kind, self.gender(phrase))
        return ("common", self.gender(phrase), "pl" if phrase.plural else "sg")

    def gender(self, phrase: NounPhrase) -> str:
        """Grammatical gender, class or animacy of a noun phrase; empty where the language has none."""
        return ""

    def core_key(self, forms: tuple[str, ...]) -> tuple[str, ...]:
        """Forms of a core by which it is looked up without its adjective: spelling variants made one."""
        return forms

    def named(self, name: Name, forms: list[str], feats: dict[str, str] | None = None) -> Phrase:
        """A person's or a place's name as a phrase: the first word is the head, the rest `flat`."""
        tokens = [
            Tok(form, self.spell(key), "PROPN", dict(feats or {}), ner=("I-" if place else "B-") + name.kind)
            for place, (form, key) in enumerate(zip(forms, name.parts, strict=True))
        ]
        items: list[Item] = [("name", token, "flat" if place else "") for place, token in enumerate(tokens)]
        return join(tokens[0], items)


def is_plural(phrase: NounPhrase) -> bool:
    """Whether a noun phrase stands for several."""
    if isinstance(phrase, Common):
        return phrase.plural
    return isinstance(phrase, Pronoun) and phrase.person != "I"


def is_woman(phrase: NounPhrase) -> bool:
    """Whether a noun phrase is a woman's name."""
    return isinstance(phrase, Name) and phrase.kind == "PER" and phrase.parts[0].endswith("-na")


def person_of(phrase: NounPhrase) -> tuple[int, str]:
    """Person and number: (1, "Sing"), (1, "Plur"), (3, "Sing") or (3, "Plur")."""
    first = isinstance(phrase, Pronoun) and phrase.person in {"I", "we"}
    return 1 if first else 3, "Plur" if is_plural(phrase) else "Sing"
