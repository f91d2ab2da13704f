"""Parallel corpora of the grammar: each item is drawn once and written in every language asked for."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache, lru_cache
from typing import Final

from babelscope.data.examples import Content, Example, Sentence, TextPair
from babelscope.data.languages import spelling

from services.datagen.grammar.concepts import DOMAINS as _LETTERS
from services.datagen.grammar.dictionary import Forms, count_forms, entries
from services.datagen.grammar.documents import Document, document, document_text
from services.datagen.grammar.inference import LABELS, inference
from services.datagen.grammar.languages.ar import Arabic
from services.datagen.grammar.languages.base import Language
from services.datagen.grammar.languages.en import English
from services.datagen.grammar.languages.es import Spanish
from services.datagen.grammar.languages.hi import Hindi
from services.datagen.grammar.languages.ja import Japanese
from services.datagen.grammar.languages.ru import Russian
from services.datagen.grammar.languages.tr import Turkish
from services.datagen.grammar.languages.zh import Chinese
from services.datagen.grammar.matter import draw_matter
from services.datagen.grammar.questions import Paragraph, paragraph, written
from services.datagen.grammar.sampling import Sampler
from services.datagen.grammar.syntax import DEEPEST, Statement
from services.datagen.randomness import generator
from services.runtime.errors import InvalidArgument

_CLASSES: tuple[type[Language], ...] = (Arabic, English, Spanish, Hindi, Japanese, Russian, Turkish, Chinese)

LANGUAGES: tuple[str, ...] = tuple(sorted(one.tag for one in _CLASSES))
DOMAINS: tuple[str, ...] = tuple(_LETTERS)
_DICTIONARIES: Final = ("dictionary", "lexicon")
KINDS: tuple[str, ...] = ("sentences", "ner", "nli", "qa", "documents", *_DICTIONARIES)
WORDS: tuple[str, ...] = ("topics", "classes")
DEFAULT_DEPTH = 2

_Item = Statement | tuple[Statement, Statement, str] | Paragraph | Document
_FEWEST_LANGUAGES: Final = 2
"""Languages of a dictionary: the one it translates from, and at least one it translates to."""


@dataclass(frozen=True, slots=True)
class _Request:
    size: int
    seed: int
    kind: str
    depth: int
    domain: str
    words: str


@cache
def language_of(tag: str) -> Language:
    """A language by its tag; its words are read once."""
    return next(one for one in _CLASSES if one.tag == tag)()


def generate(  # noqa: PLR0917 - the order is that of GenerateCorpusRequest
    languages: Sequence[str] = (),
    size: int = 1,
    seed: int = 0,
    kind: str = "sentences",
    depth: int = DEFAULT_DEPTH,
    domain: str = "everyday",
    words: str = "topics",
) -> Iterator[Example]:
    """Writes a parallel corpus; all languages of an item follow one another and share its id.

    An item depends on the seed, its kind, domain, depth, number and `words` alone: not on languages, nor on the size.

    Args:
        languages: Tags of languages of `LANGUAGES`, in any spelling; all where empty.
        size: Items a language.
        seed: Seed.
        kind: `sentences`: sentences with trees and entities; `ner`: the same, each with at least one entity; `nli`:
            premise, hypothesis and label, the labels in turn; `qa`: a paragraph, a question and its answer;
            `documents`: running text of four to eight sentences that speak again of what they named; `dictionary`:
            word pairs from the first language to each of the others, weighted by how often `size` sentences have them;
            `lexicon`: the same with function words.
        depth: Deepest nesting of clauses, 1 to 4; 2 where 0.
        domain: `everyday` or `nature`.
        words: `topics`: an item stays with one or two topics, and verbs and adjectives prefer some nouns of their
            classes; `classes`: words are drawn by class and rank alone.

    Raises:
        InvalidArgument: A language, kind, domain or `words` is not on offer, or a number is out of range; before the
            first item.
    """
    request = _Request(size, seed, kind, depth or DEFAULT_DEPTH, domain, words)
    tags = _checked(languages, request)
    return _dictionary(tags, request) if kind in _DICTIONARIES else _items(tags, request)


def _checked(languages: Sequence[str], request: _Request) -> tuple[str, ...]:
    for position, tag in enumerate(languages):
        if spelling(tag, LANGUAGES) is None:
            raise InvalidArgument(f"languages[{position}]", f"Expected one of {', '.join(LANGUAGES)}, but got {tag!r}")
    if request.size < 1:
        raise InvalidArgument("size", f"Expected `size` to be at least 1, but got {request.size}")
    if not 0 < request.depth <= DEEPEST:
        raise InvalidArgument(
            "depth", f"Expected `depth` within 1..{DEEPEST}, or 0 for {DEFAULT_DEPTH}, but got {request.depth}"
        )
    _one_of("kind", request.kind, KINDS)
    _one_of("domain", request.domain, DOMAINS)
    _one_of("words", request.words, WORDS)
    tags = tuple(dict.fromkeys(languages)) or LANGUAGES
    if request.kind in _DICTIONARIES and len(tags) < _FEWEST_LANGUAGES:
        raise InvalidArgument("languages", f"Expected at least two for a dictionary, but got {', '.join(tags)}")
    return tags


def _one_of(field: str, value: str, offered: tuple[str, ...]) -> None:
    if value not in offered:
        raise InvalidArgument(field, f"Expected one of {', '.join(offered)}, but got {value!r}")


def _items(tags: Sequence[str], request: _Request) -> Iterator[Example]:
    for number, sampler in enumerate(_samplers(request)):
        item = draw(request.kind, sampler, number)
        attributes = {"domain": request.domain}
        if sampler.matter is not None:
            attributes["topics"] = ",".join(topic.id for topic in sampler.matter.topics)
        for tag in tags:
            yield Example(_name(request, number), write(_spelled(tag), item, number), tag, attributes=attributes)


def _dictionary(tags: Sequence[str], request: _Request) -> Iterator[Example]:
    """Word pairs from the first language to the others."""
    first, *others = ((tag, _counted(_spelled(tag), request)) for tag in tags)
    for tag, forms in others:
        for number, entry in enumerate(entries(first[1], forms)):
            pair = TextPair(entry.source, entry.target)
            attributes = {"weight": str(entry.weight), "source": first[0]}
            yield Example(f"{request.kind}-{first[0]}-{tag}-{number:08d}", pair, tag, attributes=attributes)


@lru_cache(maxsize=8)
def _counted(language: Language, request: _Request) -> Forms:
    # A lexicon is counted in the sentences of a dictionary.
    drawn = (sampler.statement() for sampler in _samplers(replace(request, kind=_DICTIONARIES[0])))
    return count_forms(language, drawn, function_words=request.kind != _DICTIONARIES[0])


def counted_forms(tag: str, size: int, seed: int, domain: str = "everyday") -> Forms:
    """Forms of concepts as a dictionary of this size, seed and domain counts them."""
    return _counted(language_of(tag), _Request(size, seed, "dictionary", DEFAULT_DEPTH, domain, WORDS[0]))


def _samplers(request: _Request) -> Iterator[Sampler]:
    """What each item is drawn with."""
    for number in range(request.size):
        draws = generator(request.seed, "grammar", _name(request, number))
        matter = None
        if request.words == "topics":
            matter = draw_matter(draws, request.domain, remembers=request.kind == "documents")
        yield Sampler(draws, request.domain, request.depth, matter)


def _name(request: _Request, number: int) -> str:
    return f"{request.kind}-{request.domain}-{request.depth}-{number:08d}"


def _spelled(tag: str) -> Language:
    """A language by its tag in any spelling."""
    return language_of(spelling(tag, LANGUAGES) or tag)


def draw(kind: str, sampler: Sampler, number: int) -> _Item:
    """Draws an item of a kind."""
    if kind == "nli":
        label = LABELS[number % len(LABELS)]
        return (*inference(sampler, label), label)
    if kind == "qa":
        return paragraph(sampler)
    if kind == "documents":
        return document(sampler)
    while True:
        statement = sampler.statement()
        if kind == "sentences" or _has_entity(statement):
            return statement


def _has_entity(statement: Statement) -> bool:
    return any(word.ner != "O" for word in _sentence(language_of("en"), statement).words)


def write(language: Language, item: _Item, number: int) -> Content:
    """Writes an item in a language."""
    if isinstance(item, Paragraph):
        return written(language, item, number)
    if isinstance(item, Document):
        return document_text(language, item)
    if isinstance(item, Statement):
        return _sentence(language, item)
    premise, hypothesis, label = item
    return TextPair(_sentence(language, premise).text, _sentence(language, hypothesis).text, label)


def _sentence(language: Language, statement: Statement) -> Sentence:
    return language.sentence(statement)
