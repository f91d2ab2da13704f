"""Window size: running text cut into examples of at most so many tokens, no token lost."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import ClassVar, Literal

from babelscope.data.examples import Example

from services.datagen.counts import StepReport
from services.datagen.transforms.base import Resources
from services.runtime.errors import InvalidArgument
from services.runtime.options import option
from services.runtime.text.words import Span, units

_PIECES = re.compile(r"\S+")


@dataclass(frozen=True)
class SliceWindowOptions:
    """How to slice."""

    tokens: int = option("most tokens an example", default=20, minimum=1)
    unit: Literal["words", "spaces"] = option(
        "words: a token is a word, or a sign of punctuation; spaces: what spaces separate, for text cut into sub-words",
        default="words",
    )


class SliceWindow:
    """Cuts running text into windows of at most N tokens (Liu et al. 2020: 20).

    The windows of a text hold its tokens in order, each once, with the text between them: the corpus keeps its tokens
    and loses the longer contexts. A window's id is `ID#k`, k from 0, its attribute `origin` is the text's id.
    """

    name: ClassVar[str] = "slice_window"
    summary: ClassVar[str] = "Cuts running text into examples of at most N tokens, with the same tokens in all."
    passes: ClassVar[int] = 1
    Options = SliceWindowOptions

    def __init__(self, options: SliceWindowOptions, _resources: Resources, _seed: int) -> None:
        self._options = options

    def apply(self, examples: Iterable[Example], report: StepReport) -> Iterator[Example]:
        """Slices a stream of running text.

        Counts `read`, `kept` (windows), `tokens`, `empty` (texts without a token, left out).

        Raises:
            InvalidArgument: An example is no running text.
        """
        for example in examples:
            report.counts["read"] += 1
            if not isinstance(example.content, str):
                kind = type(example.content).__name__
                raise InvalidArgument(f"examples[{example.id}]", f"Expected running text, but got a {kind}")
            tokens = self._tokens(example.content)
            report.counts["tokens"] += len(tokens)
            report.counts["empty"] += not tokens
            for k, first in enumerate(range(0, len(tokens), self._options.tokens)):
                window = tokens[first : first + self._options.tokens]
                report.counts["kept"] += 1
                yield Example(
                    f"{example.id}#{k}",
                    example.content[window[0][0] : window[-1][1]],
                    example.language,
                    example.line,
                    {**example.attributes, "origin": example.id},
                )

    def _tokens(self, text: str) -> list[Span]:
        if self._options.unit == "spaces":
            return [match.span() for match in _PIECES.finditer(text)]
        return list(units(text, signs_apart=True))
