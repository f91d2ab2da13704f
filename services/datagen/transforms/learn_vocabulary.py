"""A sub-word vocabulary learnt from a corpus."""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import ClassVar, Literal

from babelscope.corpora.vocabularies import to_examples
from babelscope.data.examples import Example
from babelscope.data.languages import Spellings

from services.datagen.counts import StepReport
from services.datagen.preparation.vocabulary import learn_from
from services.datagen.text.content import texts
from services.datagen.transforms.base import Resources
from services.runtime.errors import InvalidArgument
from services.runtime.memory import hold_newest
from services.runtime.options import option


@dataclass(frozen=True)
class LearnVocabularyOptions:
    """Which vocabulary."""

    size: int = option("tokens at most, special ones included; of each language where `separate`", minimum=1)
    kind: Literal["bpe", "wordpiece"] = option(
        "bpe: merges the most frequent pair, ends of words marked `</w>`; wordpiece: continuations marked `##`",
        default="bpe",
    )
    separate: bool = option("one vocabulary a language, instead of a joint one", default=False)
    least: int = option("how often a pair must occur to be merged", default=2, minimum=1)


class LearnVocabulary:
    """Learns a vocabulary of sub-words from the words of a corpus, and gives it in place of the corpus.

    Words stand between white space: put it after `segment`, and after `sample_languages` for a joint vocabulary in
    which languages weigh as they should. What comes out is the vocabulary as a dataset, for `cut_subwords`: the JSON
    that Hugging Face `tokenizers` reads. It depends on the words alone, not on their order. The word types are held.
    """

    name: ClassVar[str] = "learn_vocabulary"
    summary: ClassVar[str] = "Learns a sub-word vocabulary (BPE, WordPiece), joint or one a language, and gives it."
    passes: ClassVar[int] = 1
    Options = LearnVocabularyOptions

    def __init__(self, options: LearnVocabularyOptions, _resources: Resources, _seed: int) -> None:
        self._options = options

    def apply(self, examples: Iterable[Example], report: StepReport) -> Iterator[Example]:
        """Learns from a stream, once it is over.

        Counts `read`, `words`, `types`, `vocabulary` (tokens of it), with `separate` `types/LANGUAGE` and
        `vocabulary/LANGUAGE`.

        Raises:
            InvalidArgument: There is no word, or the size does not hold the special tokens and the letters.
        """
        options, counts = self._options, report.counts
        words: dict[str, Counter[str]] = {}
        spelled = Spellings()
        for example in examples:
            counts["read"] += 1
            known = words.setdefault(spelled(example.language) if options.separate else "", Counter())
            for text in texts(example.content):
                before = len(known)
                known.update(text.split())
                hold_newest(known, len(known) - before)
        for language in sorted(words or {"": Counter()}):
            known = words.get(language, Counter())
            try:
                vocabulary = learn_from(known, options.size, kind=options.kind, least=options.least)
            except InvalidArgument as error:
                field = "options[size]" if error.field == "size" else "examples"
                of = f" (language {language!r})" if language else ""
                raise InvalidArgument(field, f"{error.problem}{of}") from error
            counts["words"] += known.total()
            counts["types"] += len(known)
            counts["vocabulary"] += len(vocabulary.tokens)
            if options.separate:
                counts[f"types/{language}"] = len(known)
                counts[f"vocabulary/{language}"] = len(vocabulary.tokens)
            yield from to_examples(vocabulary.description, language)
