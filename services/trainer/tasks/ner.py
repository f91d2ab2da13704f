"""Named entities."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Literal

from services.runtime.options import option
from services.trainer.tasks.tags import WordTags


@dataclass(frozen=True)
class NerOptions:
    """Options of the task."""

    repair: Literal["paper", "conll"] = option(
        "Repair of sequences that are not BIO: `paper` (a span has the type of its last word) or `conll` (a change of "
        "type opens a span).",
        default="paper",
    )


class Ner(WordTags):
    """Tagging of named entities in the BIO scheme (Tjong Kim Sang and De Meulder 2003), measured by F1 of spans.

    Each word gets its most probable tag; the score repairs sequences that are not BIO, by the rule of its option.
    """

    name: ClassVar[str] = "ner"
    summary: ClassVar[str] = "Entity spans as BIO tags of words; examples are sentences with `ner` tags."
    Options: ClassVar[type[NerOptions]] = NerOptions
    score: ClassVar[str] = "span_f1"
    main: ClassVar[str] = "f1"
    tag: ClassVar[Literal["upos", "ner"]] = "ner"

    def __init__(self, options: NerOptions) -> None:
        self._options = options

    def score_options(self) -> Mapping[str, str]:
        """Options of the score."""
        return {"repair": self._options.repair}
