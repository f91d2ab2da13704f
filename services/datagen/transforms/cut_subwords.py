"""Words cut into sub-words by a learnt vocabulary."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np
from babelscope.corpora.vocabularies import from_examples
from babelscope.data.examples import Example
from babelscope.data.languages import spelling
from numpy.typing import NDArray

from services.datagen.counts import StepReport
from services.datagen.preparation.vocabulary import UNKNOWN, Vocabulary, join
from services.datagen.text.content import with_content
from services.datagen.transforms.base import Resources
from services.runtime.errors import FailedPrecondition, InvalidArgument
from services.runtime.options import option

Encode = Callable[[Sequence[str], str], NDArray[np.int32]]


@dataclass(frozen=True)
class CutSubwordsOptions:
    """Which vocabulary, and what is written."""

    vocabulary: str = option("dataset that `learn_vocabulary` made: joint, or one vocabulary a language")
    form: Literal["pieces", "ids"] = option("pieces: sub-words; ids: their numbers in the vocabulary", default="pieces")
    prefixed: bool = option(
        "of one vocabulary a language: `en:the`, so that no two languages share a token", default=False
    )


class CutSubwords:
    """Cuts the words of running text, which stand between white space, into sub-words with spaces between them.

    With one vocabulary a language each language is cut by its own, and all are numbered as one: special tokens first,
    then the languages' in the order of their tags, tokens that are spelled alike only once, or with `prefixed` never
    shared (Conneau, Wu et al. 2020, section 4.2).
    """

    name: ClassVar[str] = "cut_subwords"
    summary: ClassVar[str] = "Cuts words into the sub-words of a learnt vocabulary, as pieces or as ids."
    passes: ClassVar[int] = 1
    Options = CutSubwordsOptions

    def __init__(self, options: CutSubwordsOptions, resources: Resources, _seed: int) -> None:
        self._options = options
        self._encode, self._tokens, self._shared, self._languages = _opened(options, resources)
        self._unknown = self._tokens.index(UNKNOWN) if UNKNOWN in self._tokens else -1

    def apply(self, examples: Iterable[Example], report: StepReport) -> Iterator[Example]:
        """Cuts a stream.

        Counts `read`, `kept`, `words`, `tokens`, `tokens/LANGUAGE`, `unknown` (tokens), `vocabulary` (size), `shared`
        (tokens of more than one language, where each has its own).

        Raises:
            InvalidArgument: An example is no running text, or of a language without a vocabulary.
        """
        counts = report.counts
        counts["vocabulary"], counts["shared"] = len(self._tokens), self._shared
        for example in examples:
            counts["read"] += 1
            if not isinstance(example.content, str):
                problem = "Expected running text, but got something else; `segment` makes it of sentences in words"
                raise InvalidArgument(f"examples[{example.id}]", problem)
            words = example.content.split()
            try:
                ids = self._encode(words, spelling(example.language, self._languages) or example.language)
            except KeyError:
                problem = f"Expected a language with a vocabulary, but got {example.language!r}"
                raise InvalidArgument(f"examples[{example.id}].language", problem) from None
            counts["kept"] += 1
            counts["words"] += len(words)
            counts["tokens"] += len(ids)
            counts[f"tokens/{example.language}"] += len(ids)
            counts["unknown"] += int((ids == self._unknown).sum())
            pieces = map(str, ids.tolist()) if self._options.form == "ids" else map(self._tokens.__getitem__, ids)
            yield with_content(example, " ".join(pieces))


def _opened(options: CutSubwordsOptions, resources: Resources) -> tuple[Encode, Sequence[str], int, Sequence[str]]:
    """Cuts words of a language; all tokens by id; how many languages share; the languages that have their own."""
    name = options.vocabulary
    try:
        parts = {
            language: Vocabulary.parse(description)
            for language, description in from_examples(resources.dataset(name)).items()
        }
    except ValueError as error:
        raise FailedPrecondition(f"vocabulary {name}", str(error)) from error
    if "" in parts:
        joint = parts.pop("")
        if parts or options.prefixed:
            problem = "Expected either a joint vocabulary, without prefixes, or one a language, but got both"
            raise InvalidArgument("options[vocabulary]", problem)
        return lambda words, _language: joint.encode(words), joint.tokens, 0, ()
    joined = join(parts, prefixed=options.prefixed)
    return joined.encode, joined.tokens, joined.shared, tuple(parts)
