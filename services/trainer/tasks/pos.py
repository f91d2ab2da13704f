"""Universal parts of speech."""

from collections.abc import Mapping
from typing import ClassVar, Literal

from services.runtime.options import NoOptions
from services.trainer.tasks.tags import WordTags


class Pos(WordTags):
    """Tagging of universal parts of speech (Nivre et al. 2020), measured by accuracy."""

    name: ClassVar[str] = "pos"
    summary: ClassVar[str] = "Universal part of speech of each word; examples are sentences with UPOS tags."
    Options: ClassVar[type[NoOptions]] = NoOptions
    score: ClassVar[str] = "tagging"
    main: ClassVar[str] = "accuracy"
    tag: ClassVar[Literal["upos", "ner"]] = "upos"

    def __init__(self, options: NoOptions) -> None:
        pass

    def score_options(self) -> Mapping[str, str]:
        """Options of the score."""
        return {"tag": self.tag}
