"""An unseen language: the whole vocabulary of a language permuted, word for word."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from itertools import chain
from typing import ClassVar, Literal

from babelscope.data.examples import Example
from babelscope.data.languages import read_tag

from services.datagen.counts import StepReport
from services.datagen.randomness import generator
from services.datagen.text.chunks import ChunkRewriter, Piece
from services.datagen.text.content import rewrite, texts
from services.datagen.text.edits import Edit, Edits
from services.datagen.transforms.base import Resources
from services.runtime.memory import hold_here, weight
from services.runtime.options import option
from services.runtime.text.words import is_unspaced, segment, with_case_of

_COPIES = 4
"""A type stands in the sorted list, in the bijection and in the tables made of it."""
REMEMBERED = 1 << 20
"""Pieces of text remembered at most while types are gathered."""


@dataclass(frozen=True)
class PermuteVocabularyOptions:
    """How to permute."""

    languages: tuple[str, ...] = option("languages to permute; all where empty", default=())
    case: Literal["exact", "keep"] = option(
        "exact: `The` and `the` are two words; keep: one word, and each place keeps its case", default="exact"
    )
    vocabulary: tuple[str, ...] = option(
        "datasets whose words are permuted, in place of the input's: training and test sets, for one language of both",
        default=(),
    )


class PermuteVocabulary:
    """Replaces every word of a language by another word of it (Hsu et al. 2019, section 3.1).

    One seeded bijection a language over the word types of the corpus, the same for questions, contexts and answers,
    which leaves no word in its place (types are put in a circle, each becomes the next). It depends on the seed, the
    language and the set of types alone. Words of scripts written without spaces (characters, with their marks) change
    places among themselves, and so do all other words: the new text has as many words as the old, in the same places
    (but for an apostrophe, which may join what it parted before). Punctuation and spaces stay.

    With `case=keep` the bijection is over lower-case types, and the replacement takes the case of the word at its
    place (lower, Title, UPPER); words in mixed case are types of their own.
    """

    name: ClassVar[str] = "permute_vocabulary"
    summary: ClassVar[str] = "Permutes a language's whole vocabulary, word for word, to make an unseen language."
    passes: ClassVar[int] = 2
    Options = PermuteVocabularyOptions

    def __init__(self, options: PermuteVocabularyOptions, resources: Resources, seed: int) -> None:
        self._options, self._resources, self._seed = options, resources, seed

    def apply(self, examples: Iterable[Example], report: StepReport) -> Iterator[Example]:
        """Permutes a corpus, which is read twice.

        Counts `read`, `kept`, `words`, `replaced`, `types/LANGUAGE`, `other_language`, `unknown` (words that a given
        vocabulary does not have, left as they are), `answers_widened`, `answers_dropped`.

        Raises:
            InvalidArgument: An answer's offset is wrong.
        """
        counts = report.counts
        rewriters: dict[str, ChunkRewriter] = {}
        for language, types in self._vocabularies(examples).items():
            counts[f"types/{language}"] = len(types)
            canonical = read_tag(language).canonical
            mapping = bijection(types, self._seed, self.name, canonical)
            rewriters[canonical] = ChunkRewriter(partial(self._permute, mapping))
        for example in examples:
            counts["read"] += 1
            counts["kept"] += 1
            rewriter = rewriters.get(read_tag(example.language).canonical)
            if rewriter is None:
                counts["other_language"] += 1
                yield example
                continue
            rewritten = []
            for text in texts(example.content):
                new, words, replaced = rewriter(text)
                rewritten.append(new)
                counts["words"] += words
                counts["replaced"] += replaced
                if self._options.vocabulary:
                    counts["unknown"] += words - replaced
            yield rewrite(example, rewritten, report)

    def _vocabularies(self, examples: Iterable[Example]) -> dict[str, set[str]]:
        """The word types of each language to permute, by the tag that it has first."""
        chosen = {read_tag(tag).canonical for tag in self._options.languages}
        tags: dict[str, str] = {}
        types: dict[str, set[str]] = {}
        seen: set[str] = set()
        for example in self._corpus(examples):
            canonical = read_tag(example.language).canonical
            if chosen and canonical not in chosen:
                continue
            known = types.setdefault(tags.setdefault(canonical, example.language), set())
            for text in texts(example.content):
                for piece in set(text.split(" ")):
                    if (key := f"{canonical} {piece}") not in seen:
                        seen.add(key)
                        new = {self._type(piece[start:end]) for start, end in segment(piece)} - known
                        known |= new
                        hold_here(_COPIES * sum(map(weight, new)))
            if len(seen) > REMEMBERED:
                seen.clear()
        return types

    def _corpus(self, examples: Iterable[Example]) -> Iterable[Example]:
        if not self._options.vocabulary:
            return examples
        return chain.from_iterable(map(self._resources.dataset, self._options.vocabulary))

    def _type(self, word: str) -> str:
        """The type of a word: itself, or its lower-case form where a place keeps its case."""
        lower = word.lower()
        return lower if self._options.case == "keep" and with_case_of(word, lower) == word else word

    def _permute(self, mapping: Mapping[str, str], piece: str) -> Piece:
        edits, words = [], 0
        for start, end in segment(piece):
            words += 1
            old = piece[start:end]
            kind = self._type(old)
            new = mapping.get(kind, old)
            if new != old:
                edits.append(Edit(start, end, new if kind == old else with_case_of(old, new)))
        return Piece(Edits(piece, edits), words, len(edits))


def bijection(types: Iterable[str], seed: int, *names: str) -> dict[str, str]:
    """A seeded bijection of word types onto themselves without a fixed point, but for a type that is alone.

    Types of scripts written without spaces and all others are permuted apart.

    Args:
        types: The word types, in any order.
        seed: The seed.
        *names: What else the bijection depends on.
    """
    mapping: dict[str, str] = {}
    for unspaced in (False, True):
        some = sorted(word for word in types if is_unspaced(word[0]) == unspaced)
        order = generator(seed, *names, str(unspaced)).permutation(len(some)).tolist()
        circle = [some[i] for i in order]
        mapping.update(zip(circle, circle[1:] + circle[:1], strict=True))
    return mapping
