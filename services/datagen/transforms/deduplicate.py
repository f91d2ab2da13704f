"""Each text once."""

import hashlib
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import ClassVar, Literal

from babelscope.data.examples import Example, Sentence

from services.datagen.counts import StepReport
from services.datagen.text.content import texts
from services.datagen.transforms.base import Resources
from services.runtime.memory import hold_here, weight
from services.runtime.options import option
from services.runtime.text.forms import in_form


@dataclass(frozen=True)
class DeduplicateOptions:
    """What is the same."""

    rule: Literal["exact", "normalised"] = option(
        "exact: the same characters; normalised: but for case, width, spaces and punctuation", default="exact"
    )


class Deduplicate:
    """Keeps one of the examples that have the same texts and language: the one with the smallest id.

    So the result does not depend on the order of the corpus. Labels, answers and annotation are not compared. It holds
    a digest of 16 bytes and an id for every different text.
    """

    name: ClassVar[str] = "deduplicate"
    summary: ClassVar[str] = "Keeps one of the examples that have the same texts and language."
    passes: ClassVar[int] = 2
    Options = DeduplicateOptions

    def __init__(self, options: DeduplicateOptions, _resources: Resources, _seed: int) -> None:
        self._options = options

    def apply(self, examples: Iterable[Example], report: StepReport) -> Iterator[Example]:
        """Deduplicates a corpus, which is read twice.

        Counts `read`, `kept`, `dropped`.
        """
        smallest: dict[bytes, str] = {}
        for example in examples:
            key = self._key(example)
            if key not in smallest or example.id < smallest[key]:
                if key not in smallest:
                    hold_here(weight(example.id))
                smallest[key] = example.id
        for example in examples:
            report.counts["read"] += 1
            key = self._key(example)
            if smallest.get(key) != example.id:
                report.counts["dropped"] += 1
                continue
            del smallest[key]  # the same id may come again
            report.counts["kept"] += 1
            yield example

    def _key(self, example: Example) -> bytes:
        content = example.content
        parts = (content.text,) if isinstance(content, Sentence) and content.text else texts(content)
        if self._options.rule == "normalised":
            parts = tuple(map(_normalised, parts))
        joined = "\x1f".join((type(content).__name__, example.language, *parts))
        return hashlib.blake2b(joined.encode("utf-8", "surrogatepass"), digest_size=16).digest()


def _normalised(text: str) -> str:
    """NFKC, case folded, every run of spaces and punctuation one space; a text of nothing else stays as it is."""
    folded = in_form("NFKC", in_form("NFKC", text).casefold())
    bare = "".join(c if unicodedata.category(c)[0] in "LMN" else " " for c in folded)
    return " ".join(bare.split()) or folded
