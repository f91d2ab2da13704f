"""The grammar's dictionary: forms of one concept in two languages, weighted by how often they are written.

Nothing here knows a language. A concept's own words are found by letting the language write it and all others in the
same sentence: what is written for one concept alone is its own.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache

from services.datagen.grammar.concepts import concepts
from services.datagen.grammar.languages.base import Language
from services.datagen.grammar.names import COUNTS as NAMES
from services.datagen.grammar.names import inventory
from services.datagen.grammar.syntax import Clause, Common, Name, Statement

MOST_TRANSLATIONS = 8
"""Forms of a concept that are offered as translations: the most frequent ones."""

_Word = tuple[str, str]
"""UPOS and lemma."""
Forms = Mapping[str, Counter[str]]
"""How often each form of a concept is written, by concept."""
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


def count_forms(language: Language, statements: Iterable[Statement]) -> Forms:
    """Counts the forms of concepts and names in sentences, as they stand within a sentence."""
    own = _own_words(language)
    found: dict[str, Counter[str]] = defaultdict(Counter)
    for statement in statements:
        for token in language.statement(statement).tokens:
            concept = own.get((token.upos, token.lemma))
            if concept:
                found[concept][token.form] += 1
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
