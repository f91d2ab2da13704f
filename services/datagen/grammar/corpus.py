"""Parallel corpora of the grammar: each item is drawn once and written in every language asked for."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache

from babelscope.data.examples import Content, Example, Sentence, TextPair
from babelscope.data.languages import spelling

from services.datagen.grammar.concepts import DOMAINS as _LETTERS
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
from services.datagen.grammar.questions import Paragraph, paragraph, written
from services.datagen.grammar.sampling import Sampler
from services.datagen.grammar.syntax import DEEPEST, Statement
from services.datagen.randomness import generator
from services.runtime.errors import InvalidArgument

_CLASSES: tuple[type[Language], ...] = (Arabic, English, Spanish, Hindi, Japanese, Russian, Turkish, Chinese)

LANGUAGES: tuple[str, ...] = tuple(sorted(one.tag for one in _CLASSES))
DOMAINS: tuple[str, ...] = tuple(_LETTERS)
KINDS: tuple[str, ...] = ("sentences", "ner", "nli", "qa")
DEFAULT_DEPTH = 2

_Item = Statement | tuple[Statement, Statement, str] | Paragraph


@dataclass(frozen=True, slots=True)
class _Request:
    size: int
    seed: int
    kind: str
    depth: int
    domain: str


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
) -> Iterator[Example]:
    """Writes a parallel corpus; all languages of an item follow one another and share its id.

    An item depends on the seed, its kind, domain, depth and number alone: not on the languages, nor on the size.

    Args:
        languages: Tags of languages of `LANGUAGES`, in any spelling; all where empty.
        size: Items a language.
        seed: Seed.
        kind: `sentences`: sentences with trees and entities; `ner`: the same, each with at least one entity; `nli`:
            premise, hypothesis and label, the labels in turn; `qa`: a paragraph, a question and its answer.
        depth: Deepest nesting of clauses, 1 to 4; 2 where 0.
        domain: `everyday` or `nature`.

    Raises:
        InvalidArgument: A language, kind or domain is not on offer, or a number is out of range; before the first item.
    """
    tags = _checked(languages, size, kind, depth, domain)
    return _items(tags, _Request(size, seed, kind, depth or DEFAULT_DEPTH, domain))


def _checked(languages: Sequence[str], size: int, kind: str, depth: int, domain: str) -> tuple[str, ...]:
    for position, tag in enumerate(languages):
        if spelling(tag, LANGUAGES) is None:
            raise InvalidArgument(f"languages[{position}]", f"Expected one of {', '.join(LANGUAGES)}, but got {tag!r}")
    if size < 1:
        raise InvalidArgument("size", f"Expected `size` to be at least 1, but got {size}")
    if kind not in KINDS:
        raise InvalidArgument("kind", f"Expected one of {', '.join(KINDS)}, but got {kind!r}")
    if not 0 <= depth <= DEEPEST:
        raise InvalidArgument(
            "depth", f"Expected `depth` within 1..{DEEPEST}, or 0 for {DEFAULT_DEPTH}, but got {depth}"
        )
    if domain not in DOMAINS:
        raise InvalidArgument("domain", f"Expected one of {', '.join(DOMAINS)}, but got {domain!r}")
    return tuple(dict.fromkeys(languages)) or LANGUAGES


def _items(tags: Sequence[str], request: _Request) -> Iterator[Example]:
    for number in range(request.size):
        name = f"{request.kind}-{request.domain}-{request.depth}-{number:08d}"
        draws = generator(request.seed, "grammar", name)
        item = draw(request.kind, Sampler(draws, request.domain, request.depth), number)
        for tag in tags:
            language = language_of(spelling(tag, LANGUAGES) or tag)
            yield Example(name, write(language, item, number), tag, attributes={"domain": request.domain})


def draw(kind: str, sampler: Sampler, number: int) -> _Item:
    """Draws an item of a kind."""
    if kind == "nli":
        label = LABELS[number % len(LABELS)]
        return (*inference(sampler, label), label)
    if kind == "qa":
        return paragraph(sampler)
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
    if isinstance(item, Statement):
        return _sentence(language, item)
    premise, hypothesis, label = item
    return TextPair(_sentence(language, premise).text, _sentence(language, hypothesis).text, label)


def _sentence(language: Language, statement: Statement) -> Sentence:
    return language.sentence(statement)
