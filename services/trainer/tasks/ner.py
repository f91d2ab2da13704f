"""Named entities."""

from collections.abc import Mapping
from typing import ClassVar, Literal

from services.trainer.tasks.base import choice
from services.trainer.tasks.tags import WordTags


class Ner(WordTags):
    """Tagging of named entities in the BIO scheme (Tjong Kim Sang and De Meulder 2003), measured by F1 of spans.

    Each word gets its most probable tag; the score repairs sequences that are not BIO, by the rule of its option.
    """

    name: ClassVar[str] = "ner"
    summary: ClassVar[str] = "Entity spans as BIO tags of words; examples are sentences with `ner` tags."
    options: ClassVar[Mapping[str, str]] = {
        "repair": "`paper` (a span has the type of its last word) or `conll` (a change of type opens a span); `paper`."
    }
    score: ClassVar[str] = "span_f1"
    main: ClassVar[str] = "f1"
    tag: ClassVar[Literal["upos", "ner"]] = "ner"

    def __init__(self, options: Mapping[str, str]) -> None:
        super().__init__(options)
        self._repair = choice(options, "repair", ("paper", "conll"))

    def score_options(self) -> Mapping[str, str]:
        """Options of the score."""
        return {"repair": self._repair}
