"""Lines of tokens joined and cut into streams of one length, as pretraining takes them."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from babelscope.data.examples import Example
from babelscope.data.languages import Spellings
from numpy.typing import NDArray

from services.datagen.counts import StepReport
from services.datagen.preparation.streams import Stream, StreamCutter
from services.datagen.transforms.base import Resources
from services.runtime.errors import InvalidArgument
from services.runtime.options import option


@dataclass(frozen=True)
class CutStreamsOptions:
    """How long, and what stands between lines."""

    length: int = option("tokens of a stream", default=256, minimum=1)
    separator: str = option("token put after each line, such as [SEP]; none where empty", default="")
    padding: str = option(
        "token that fills a language's last stream; where empty what does not fill one is left out", default=""
    )


class CutStreams:
    """Joins lines of tokens, which stand between white space, and cuts them into streams of one length, by language.

    Conneau & Lample 2019, section 5.1 (N = 256). A stream's id is `LANGUAGE:NUMBER`, from 1. Lines follow one another
    as they come: this step, unlike others, depends on their order. Tokens seen are held, and less than a stream a
    language.
    """

    name: ClassVar[str] = "cut_streams"
    summary: ClassVar[str] = "Joins lines of tokens and cuts them into streams of one length, by language."
    passes: ClassVar[int] = 1
    Options = CutStreamsOptions

    def __init__(self, options: CutStreamsOptions, _resources: Resources, _seed: int) -> None:
        for field, token in (("separator", options.separator), ("padding", options.padding)):
            if len(token.split()) > 1:
                raise InvalidArgument(f"options[{field}]", f"Expected one token, but got {token!r}")
        self._options = options

    def apply(self, examples: Iterable[Example], report: StepReport) -> Iterator[Example]:
        """Cuts a stream of lines.

        Counts `read`, `kept` (streams), `kept/LANGUAGE`, `tokens` (in streams, separators among them), `padding`,
        `tokens_dropped` (that did not fill a stream).

        Raises:
            InvalidArgument: An example is no running text.
        """
        options, counts = self._options, report.counts
        numbers = _Numbers()
        separator = numbers.of(options.separator.strip()) if options.separator.strip() else None
        padding = numbers.of(options.padding.strip()) if options.padding.strip() else None
        cutters: dict[str, StreamCutter] = {}
        spelled = Spellings()

        def written(language: str, stream: Stream) -> Example:
            counts["kept"] += 1
            counts[f"kept/{language}"] += 1
            counts["tokens"] += stream.tokens
            counts["padding"] += len(stream.ids) - stream.tokens
            return Example(f"{language or 'und'}:{counts[f'kept/{language}']}", numbers.text(stream.ids), language)

        for example in examples:
            counts["read"] += 1
            if not isinstance(example.content, str):
                raise InvalidArgument(f"examples[{example.id}]", "Expected running text, but got something else")
            language = spelled(example.language)
            if language not in cutters:
                cutters[language] = StreamCutter(options.length, separator=separator)
            for stream in cutters[language].add(numbers.ids(example.content.split())):
                yield written(language, stream)
        for language, cutter in cutters.items():
            for stream in cutter.rest(padding):
                yield written(language, stream)
            counts["tokens_dropped"] += cutter.size if padding is None else 0


class _Numbers:
    """Tokens by numbers, in the order in which they are met."""

    def __init__(self) -> None:
        self._numbers: dict[str, int] = {}
        self._tokens: list[str] = []

    def of(self, token: str) -> int:
        """The number of a token."""
        number = self._numbers.setdefault(token, len(self._tokens))
        if number == len(self._tokens):
            self._tokens.append(token)
        return number

    def ids(self, tokens: list[str]) -> NDArray[np.int32]:
        """[T] int32: numbers of tokens."""
        return np.array([self.of(token) for token in tokens], dtype=np.int32)

    def text(self, ids: NDArray[np.int32]) -> str:
        """The tokens with spaces between them."""
        return " ".join(map(self._tokens.__getitem__, ids.tolist()))
