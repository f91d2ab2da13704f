"""Corpora in another language, by any translating system."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import groupby
from typing import ClassVar, Literal

from babelscope.data.examples import Example
from babelscope.data.languages import same_language

from services.datagen.counts import StepReport
from services.datagen.transforms.base import Resources
from services.datagen.transforms.translated import translate_examples
from services.datagen.translation.choice import Choice
from services.runtime.options import option


@dataclass(frozen=True)
class SystemOptions:
    """Which system translates. A back end has its own reference."""

    target: str = option("language to translate into")
    backend: Literal["dictionary", "transformers", "ctranslate", "remote"] = option(
        "dictionary: word by word; transformers, ctranslate: a Marian, M2M-100 or NLLB model; remote: another server",
        default="dictionary",
    )
    dictionary: str = option("name of the bilingual dictionary, for dictionary", default="")
    model: str = option("folder or hub id of the model, for transformers and ctranslate", default="")
    address: str = option("HOST:PORT of a TranslateService that the settings allow, for remote", default="")
    system: str = option("which of the remote server's systems; its default where empty", default="")
    source: str = option("language of the examples; each one's own tag where empty", default="")
    beam: int = option("hypotheses that a model keeps; 1 is greedy", default=4, minimum=1, maximum=64)
    batch_tokens: int = option("padded source tokens of a model's batch", default=4096, minimum=16, maximum=1 << 20)

    def choice(self) -> Choice:
        """The system."""
        reference = {"dictionary": self.dictionary, "remote": self.address}.get(self.backend, self.model)
        return Choice(self.backend, reference, self.system, self.beam, self.batch_tokens)


class Translate:
    """Translates texts, sentences, pairs, and questions with their contexts and answers.

    The language tag changes; ids and labels stay. The attributes tell `origin` (the id translated from),
    `translated_from` and `translated_by`. Each answer is translated by itself: its place is lost (`start=-1`) until
    `recover_answers` finds it again (Hsu et al. 2019, section 2.3.1 and 2.1). Examples in the target language pass.
    """

    name: ClassVar[str] = "translate"
    summary: ClassVar[str] = "Translates a corpus; recover_answers then finds the answers of questions again."
    passes: ClassVar[int] = 1
    Options = SystemOptions

    def __init__(self, options: SystemOptions, resources: Resources, _seed: int) -> None:
        self._options = options
        self._translator = resources.translator(options.choice())

    def apply(self, examples: Iterable[Example], report: StepReport) -> Iterator[Example]:
        """Translates a stream.

        Counts `read`, `kept`, `translated`, `same_language`, `texts`, `annotation_lost`, and of a dictionary `words`
        and `unknown`.

        Raises:
            InvalidArgument: An example has no language, or the system does not know it.
            ServiceError: What stopped the system, with the example's id.
        """
        options, counts = self._options, report.counts
        for same, run in _runs(counted(examples, report), options):
            if same:
                for example in run:
                    counts["same_language"] += 1
                    counts["kept"] += 1
                    yield example
                continue
            marked = (mark(example, self._translator.name, options.source) for example in run)
            for example in translate_examples(marked, self._translator, options.target, report, source=options.source):
                counts["translated"] += 1
                counts["kept"] += 1
                yield example
        if counts["unknown"]:
            share = counts["unknown"] / counts["words"]
            report.warn(f"{share:.1%} of the words are not in the dictionary and were kept as they are")


def counted(examples: Iterable[Example], report: StepReport) -> Iterator[Example]:
    """Counts what is read."""
    for example in examples:
        report.counts["read"] += 1
        yield example


def mark(example: Example, translator: str, source: str) -> Example:
    """Notes in an example's attributes what it is made from, and by what."""
    attributes = {
        "origin": example.id,
        **example.attributes,
        "translated_from": source or example.language,
        "translated_by": translator,
    }
    return replace(example, attributes=attributes)


def _runs(examples: Iterable[Example], options: SystemOptions) -> Iterator[tuple[bool, Iterator[Example]]]:
    """Runs of examples that are, or are not, in the target language already."""
    return groupby(examples, key=lambda example: not options.source and same_language(example.language, options.target))
