"""Two languages without an anchor point: every word and sign of a text marked with its language."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import ClassVar

from babelscope.data.examples import Example, Sentence

from services.datagen.counts import StepReport
from services.datagen.text.content import rewrite, texts
from services.datagen.text.edits import Edit, Edits
from services.datagen.transforms.base import Resources
from services.runtime.errors import InvalidArgument
from services.runtime.options import option
from services.runtime.text.words import segment, units


@dataclass(frozen=True)
class PrefixLanguageOptions:
    """How to mark."""

    marker: str = option("what is put before each word; {language} stands for the tag", default="{language}:")
    punctuation: bool = option("mark punctuation and signs too, each run of them as a word", default=True)


class PrefixLanguage:
    """Marks each word with its language, so that corpora of two languages share no word ("no anchors").

    Conneau, Wu et al. 2020, section 4.2, prefix the language to every sub-word; here, on text, every word gets its
    marker, and so does every run of punctuation or signs: separated by spaces, no token of two languages is the same.
    A space is put between marked words that stood side by side. Labels stay; an answer that begins with a word begins
    with its marker.
    """

    name: ClassVar[str] = "prefix_language"
    summary: ClassVar[str] = "Marks every word with its language, so that languages share no vocabulary."
    passes: ClassVar[int] = 1
    Options = PrefixLanguageOptions

    def __init__(self, options: PrefixLanguageOptions, _resources: Resources, _seed: int) -> None:
        self._options = options

    def apply(self, examples: Iterable[Example], report: StepReport) -> Iterator[Example]:
        """Marks a stream.

        Counts `read`, `kept`, `marked`, `answers_widened`, `answers_dropped`.

        Raises:
            InvalidArgument: An example has no language, or an answer's offset is wrong.
        """
        for example in examples:
            report.counts["read"] += 1
            report.counts["kept"] += 1
            if not example.language:
                raise InvalidArgument(f"examples[{example.id}].language", "Expected a language tag, but got none")
            marker = self._options.marker.replace("{language}", example.language)
            if isinstance(example.content, Sentence):
                rewritten = [self._marked_word(form, marker, report) for form in texts(example.content)]
            else:
                rewritten = [self._marked(text, marker, report) for text in texts(example.content)]
            yield rewrite(example, rewritten, report, partial(_both_marked, marker))

    def _marked_word(self, form: str, marker: str, report: StepReport) -> Edits:
        """A word of an annotated sentence is one word, whatever is inside."""
        if not self._options.punctuation and next(segment(form), None) is None:
            return Edits(form)
        report.counts["marked"] += 1
        return Edits(form, [Edit(0, len(form), marker + form)])

    def _marked(self, text: str, marker: str, report: StepReport) -> Edits:
        edits, last = [], -1
        for start, end in units(text) if self._options.punctuation else segment(text):
            if start == last:
                edits.append(Edit(start, start, " "))
            edits.append(Edit(start, end, marker + text[start:end]))
            report.counts["marked"] += 1
            last = end
        return Edits(text, edits)


def _both_marked(marker: str, left: str, right: str) -> bool:
    return left.startswith(marker) and right.startswith(marker)
