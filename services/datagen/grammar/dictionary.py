"""The grammar's dictionary: forms of one concept in two languages, weighted by how often they are written.

Nothing here knows a language. A concept's own words are found by letting the language write it and all others in the
same sentence: what is written for one concept alone is its own.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Final, Literal

from services.datagen.grammar.concepts import concepts
from services.datagen.grammar.languages.base import Language
from services.datagen.grammar.names import COUNTS as NAMES
from services.datagen.grammar.names import inventory
from services.datagen.grammar.syntax import COUNTS, Clause, Common, Link, Name, Pronoun, Relative, Statement

MOST_TRANSLATIONS = 8
"""Forms of a concept that are offered as translations: the most frequent ones."""

_Word = tuple[str, str]
"""UPOS and lemma."""
Forms = Mapping[str, Counter[str]]
"""How often each form of a concept is written, by concept."""
_NOTHING: Final = "="
"""A sentence without the function word that another of the same frame has."""
_MOSTLY: Final = 0.8
"""Share of a form's uses, at least, in which it is the function word in question."""
_MAN = Name("PER", (inventory("man")[0],))


@dataclass(frozen=True, slots=True)
class Entry:
    """A form in one language and a translation in another.

    Attributes:
        source: The form.
        target: A form of the same concept.
        weight: How often the translation was written.
    """

    source: str
    target: str
    weight: int


def entries(source: Forms, target: Forms) -> Iterator[Entry]:
    """The entries from one language to another: each form with the most frequent forms of its concept.

    A form that several concepts have goes with the one that has it most often.
    """
    owners: dict[str, tuple[int, str]] = {}
    for concept, forms in source.items():
        for form, count in forms.items():
            owners[form] = max(owners.get(form, (0, "")), (count, concept))
    for form, (_, concept) in sorted(owners.items()):
        for translation, weight in target.get(concept, Counter()).most_common(MOST_TRANSLATIONS):
            yield Entry(form, translation, weight)


def count_forms(language: Language, statements: Iterable[Statement], *, function_words: bool = False) -> Forms:
    """Counts the forms of concepts and names in sentences, as they stand within a sentence.

    Args:
        language: The language.
        statements: The sentences.
        function_words: Whether words of no concept are counted, as far as a single one stands for each.
    """
    functions = _own_function_words(language) if function_words else {}
    own = functions | _own_words(language)
    found: dict[str, Counter[str]] = defaultdict(Counter)
    written: Counter[str] = Counter()
    for statement in statements:
        for token in language.statement(statement).tokens:
            written[token.form] += 1
            concept = own.get((token.upos, token.lemma))
            if concept:
                found[concept][token.form] += 1
    for name in found.keys() & set(functions.values()):
        # A form that mostly is another word, as a particle spelled like a conjunction, would be taken for it in text.
        found[name] = Counter({form: n for form, n in found[name].items() if n > _MOSTLY * written[form]})
    return found


@cache
def _own_words(language: Language) -> dict[_Word, str]:
    """The words that a language writes for one concept of its category alone."""
    own: dict[_Word, str] = {}
    for frame in _frames():
        written: dict[_Word, set[str]] = defaultdict(set)
        for concept, clause in frame.items():
            for token in language.statement(Statement(clause)).tokens:
                written[token.upos, token.lemma].add(concept)
        own |= {word: next(iter(among)) for word, among in written.items() if len(among) == 1}
    for kind in NAMES:
        own |= {("PROPN", language.spell(key)): key for key in inventory(kind)}
    return own


@cache
def _own_function_words(language: Language) -> dict[_Word, str]:
    """The words that a language writes for one determiner, numeral, pronoun, conjunction or adposition alone.

    Of something that takes several words, as Chinese `because`, none is its translation.
    """
    own: dict[_Word, str] = {}
    for frame in _function_frames():
        written: dict[_Word, set[str]] = defaultdict(set)
        for name, statement in frame.items():
            for token in language.statement(statement).tokens:
                if token.upos != "PUNCT":
                    written[token.upos, token.lemma].add(name)
        alone = {word: next(iter(among)) for word, among in written.items() if len(among) == 1}
        words = Counter(alone.values())
        own |= {word: name for word, name in alone.items() if words[name] == 1 and name != _NOTHING}
    return own


def _function_frames() -> tuple[dict[str, Statement], ...]:
    """Sentences for each kind of function word, alike but for it; their names have a mark that no concept's has."""
    determined = {
        **{det: Common("child", det) for det in ("the", "a", "this")},
        **{det: Common("child", det, plural=True) for det in ("many", "several")},
        **{str(count): Common("child", "count", plural=True, count=count) for count in COUNTS},
    }
    sleeps, house = Clause(_MAN, "sleep"), Common("house")
    persons: tuple[Literal["I", "we", "they"], ...] = ("I", "we", "they")
    links: tuple[Link, ...] = ("and", "but", "because", "when")
    return (
        {f"={name}": Statement(Clause(noun, "sleep")) for name, noun in determined.items()},
        {f"={name}": Statement(Clause(Pronoun(name), "sleep")) for name in persons},
        {f"={name}": Statement(sleeps, name, Clause(_MAN, "laugh")) for name in links},
        {"=not": Statement(Clause(_MAN, "sleep", negative=True)), _NOTHING: Statement(sleeps)},
        {
            "=in": Statement(Clause(_MAN, "sleep", place=house)),
            _NOTHING: Statement(Clause(_MAN, "see", object=house), "and", Clause(house, "sleep")),
        },
        {
            "=that": Statement(Clause(_MAN, "say", content=sleeps)),
            _NOTHING: Statement(Clause(_MAN, "say", content=None), "and", sleeps),
        },
        {
            "=who": Statement(Clause(Common("child", relative=Relative("subject", "sleep")), "sleep")),
            _NOTHING: Statement(Clause(Common("child", adjective="happy"), "sleep")),
        },
    )


def _frames() -> tuple[dict[str, Clause], ...]:
    """A sentence for each concept, alike within a category but for the concept."""
    every = concepts()
    sleeps = Clause(_MAN, "sleep")
    verbs = {
        name: Clause(
            _MAN,
            name,
            object=Common("child") if verb.transitive else None,
            content=sleeps if verb.takes_clause else None,
        )
        for name, verb in every.verbs.items()
    }
    tenses = {"past": "past", "present": "present", "future": "future"}
    return (
        {name: Clause(Common(name), "sleep") for name in every.nouns},
        {name: one for name, one in verbs.items() if every.verbs[name].transitive},
        {name: one for name, one in verbs.items() if every.verbs[name].takes_clause},
        {name: one for name, one in verbs.items() if one.object is None and one.content is None},
        {name: Clause(Common("person", adjective=name), "sleep") for name in every.adjectives},
        {name: Clause(_MAN, "sleep", manner=name) for name in every.manners},
        {name: Clause(_MAN, "sleep", tense=tenses[of], time=name) for name, of in every.times.items()},  # type: ignore[arg-type]
        {name: Clause(Name("ORG", (inventory("organisation")[0], name)), "buy") for name in every.organisations},
    )
