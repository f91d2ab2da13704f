"""Code-switching: words replaced by their translations from a bilingual dictionary."""

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np
from babelscope.data.examples import Example
from babelscope.data.languages import same_language

from services.datagen.counts import StepReport
from services.datagen.randomness import generator
from services.datagen.text.chunks import ChunkRewriter, Piece
from services.datagen.text.content import rewrite, texts
from services.datagen.text.edits import Edit, Edits, Rewritten
from services.datagen.transforms.base import Resources
from services.runtime.options import option
from services.runtime.text.lexicon import Dictionary, Lexicon
from services.runtime.text.words import Span, run_together, with_case_of


@dataclass(frozen=True)
class CodeSwitchOptions:
    """How to code-switch."""

    dictionary: str = option("name, file or folder of the dictionary; {source} and {target} stand for language tags")
    languages: tuple[str, ...] = option("target languages; where several have a word, one is drawn for each word")
    source: str = option("language of the examples to change; each example's own where empty", default="")
    rule: Literal["hsu", "conneau"] = option(
        "hsu: every word of the dictionary; conneau: drawn with a probability, under a cap", default="hsu"
    )
    translation: Literal["auto", "best", "weighted"] = option(
        "best: the first translation; weighted: drawn by weight; auto: best for hsu, weighted for conneau",
        default="auto",
    )
    probability: float = option("conneau: that a word is replaced", default=0.3, minimum=0, maximum=1)
    cap: float = option(
        "conneau: largest share of an example's words replaced, so of any batch's", default=0.15, minimum=0, maximum=1
    )


@dataclass(frozen=True, slots=True)
class _Candidate:
    """An entry of the dictionary found in a text: `part` is the text's position within its example."""

    part: int
    span: Span
    words: int


class _Book:
    """The dictionaries from one language to each target, as one."""

    def __init__(self, dictionaries: Sequence[tuple[str, Dictionary]], source: str) -> None:
        self.dictionaries = dictionaries
        self.lexicon = Lexicon((word for _, one in dictionaries for word in one.sources()), source)

    def translate(self, word: str, best: bool, draws: Sequence[float]) -> tuple[str, str]:
        """Translates a word that the lexicon has: the target language and the translation in the word's case.

        Args:
            word: The word as it stands in the text.
            best: Take the first translation instead of drawing by weight.
            draws: Two numbers in [0, 1): for the language, for the translation.
        """
        offers = [(language, found) for language, one in self.dictionaries if (found := one.translations(word))]
        language, found = offers[int(draws[0] * len(offers))]
        chosen = found[0][0]
        if not best and len(found) > 1:
            sums = np.cumsum([weight for _, weight in found])
            chosen = found[min(int(np.searchsorted(sums, draws[1] * sums[-1], side="right")), len(found) - 1)][0]
        return language, with_case_of(word, chosen, language)


class CodeSwitch:
    """Replaces words by their translations.

    Rule `hsu` (Hsu et al. 2019, section 4.2) replaces a word if and only if it is in the dictionary. Rule `conneau`
    (Conneau, Wu et al. 2020, section 4.2, "extra anchors") replaces a word of the dictionary with probability 0.3, at
    most 15 % of the words of a batch, by a translation drawn by weight. The batches that a trainer will form are not
    known here, so the cap holds in *every example*: then it holds in any batch of any examples in any order. Where
    more was drawn, the words with the smallest draws stay. An example of fewer than 7 words is thus never changed.

    All randomness comes from the seed and the example's id. Words keep their case (lower, Title, UPPER) and the
    punctuation around them; an entry of several words counts as so many replaced. Where words stood side by side
    without a space and their translations would run together, a space is put between.
    """

    name: ClassVar[str] = "code_switch"
    summary: ClassVar[str] = "Replaces words by their translations from a bilingual dictionary."
    passes: ClassVar[int] = 1
    Options = CodeSwitchOptions

    def __init__(self, options: CodeSwitchOptions, resources: Resources, seed: int) -> None:
        self._options, self._resources, self._seed = options, resources, seed
        self._best = options.translation == "best" or (options.translation == "auto" and options.rule == "hsu")
        self._books: dict[str, _Book] = {}
        self._fast: dict[str, ChunkRewriter] = {}
        if options.source:  # a dictionary that is not there is told before any work
            self._open(options.source)

    def apply(self, examples: Iterable[Example], report: StepReport) -> Iterator[Example]:
        """Code-switches a stream.

        Counts `read`, `kept`, `words`, `replaced` (source words), `replaced/LANGUAGE`, `other_language` (left as they
        are), `answers_widened`, `answers_dropped`.

        Raises:
            InvalidArgument: An answer's offset is wrong.
            NotFound: There is no dictionary for a language.
        """
        options, counts = self._options, report.counts
        into = f"replaced/{options.languages[0]}"
        for example in examples:
            counts["read"] += 1
            counts["kept"] += 1
            if options.source and not same_language(example.language, options.source):
                counts["other_language"] += 1
                yield example
                continue
            source = options.source or example.language
            if source not in self._books:
                self._open(source)
            fast = self._fast.get(source)
            if fast is None:
                yield rewrite(example, self._drawn(example, self._books[source], report), report)
                continue
            done = [fast(text) for text in texts(example.content)]
            replaced = sum([one[2] for one in done])
            counts["words"] += sum([one[1] for one in done])
            counts["replaced"] += replaced
            counts[into] += replaced
            yield rewrite(example, [one[0] for one in done], report)

    def _open(self, source: str) -> None:
        options = self._options
        book = _Book(
            [(target, self._resources.dictionary(options.dictionary, source, target)) for target in options.languages],
            source,
        )
        self._books[source] = book
        certain = options.rule == "hsu" and self._best and len(options.languages) == 1
        if certain and not book.lexicon.spans_spaces:
            # Nothing is drawn and no entry reaches over a space: each piece always becomes the same.
            self._fast[source] = ChunkRewriter(lambda piece: _certain(piece, book))

    def _drawn(self, example: Example, book: _Book, report: StepReport) -> list[Rewritten]:
        parts = texts(example.content)
        words, candidates = 0, list[_Candidate]()
        for i, text in enumerate(parts):
            for span, count, known in book.lexicon.matches(text):
                words += count
                if known:
                    candidates.append(_Candidate(i, span, count))
        draws = generator(self._seed, self.name, example.id).random((len(candidates), 3))
        chosen = list(range(len(candidates)))
        if self._options.rule == "conneau":
            chosen = self._under_cap(candidates, draws[:, 0], words)
        edits: list[list[Edit]] = [[] for _ in parts]
        for i in chosen:
            one = candidates[i]
            old = parts[one.part][slice(*one.span)]
            language, new = book.translate(old, self._best, draws[i, 1:].tolist())
            edits[one.part].append(Edit(*one.span, new))
            report.counts["replaced"] += one.words
            report.counts[f"replaced/{language}"] += one.words
        report.counts["words"] += words
        return [Edits(text, _spaced(text, changes)) for text, changes in zip(parts, edits, strict=True)]

    def _under_cap(self, candidates: Sequence[_Candidate], draws: np.ndarray, words: int) -> list[int]:
        budget = math.floor(self._options.cap * words)
        kept = []
        for i in np.argsort(draws, kind="stable").tolist():
            if draws[i] >= self._options.probability:
                break
            if candidates[i].words <= budget:
                budget -= candidates[i].words
                kept.append(i)
        return sorted(kept)


def _certain(piece: str, book: _Book) -> Piece:
    """Replaces every entry of a piece of text by its best translation."""
    edits, words, replaced = [], 0, 0
    for span, count, known in book.lexicon.matches(piece):
        words += count
        if known:
            replaced += count
            edits.append(Edit(*span, book.translate(piece[slice(*span)], True, (0.0, 0.0))[1]))
    return Piece(Edits(piece, _spaced(piece, edits)), words, replaced)


def _spaced(text: str, edits: Sequence[Edit]) -> Iterator[Edit]:
    """Puts a space where a replacement would run into its neighbour, as in scripts without spaces."""
    for i, edit in enumerate(edits):
        touches_last = i > 0 and edits[i - 1].end == edit.start
        touches_next = i + 1 < len(edits) and edits[i + 1].start == edit.end
        before = edits[i - 1].new[-1:] if touches_last else text[max(edit.start - 1, 0) : edit.start]
        if run_together(before, edit.new):
            yield Edit(edit.start, edit.start, " ")
        yield edit
        if not touches_next and run_together(edit.new, text[edit.end : edit.end + 1]):
            yield Edit(edit.end, edit.end, " ")
