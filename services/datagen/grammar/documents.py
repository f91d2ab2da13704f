"""Documents: sentences that stay with one or two topics and speak again of what they have named."""

from dataclasses import dataclass

from services.datagen.grammar.languages.base import Language
from services.datagen.grammar.sampling import Sampler
from services.datagen.grammar.syntax import Statement

FEWEST, MOST = 4, 8
"""Sentences of a document."""


@dataclass(frozen=True, slots=True)
class Document:
    """Sentences that belong together.

    Attributes:
        statements: The sentences.
    """

    statements: tuple[Statement, ...]


def document(sampler: Sampler) -> Document:
    """Draws four to eight sentences; what the sampler remembers links them."""
    size = FEWEST + int(sampler.draws.random() * (MOST - FEWEST + 1))
    return Document(tuple(sampler.statement() for _ in range(size)))


def document_text(language: Language, item: Document) -> str:
    """Writes a document in a language."""
    return (" " if language.spaced else "").join(language.sentence(statement).text for statement in item.statements)
