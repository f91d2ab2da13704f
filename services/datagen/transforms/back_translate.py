"""The same language again by way of another: a control for what translation does to a corpus."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, fields, replace
from itertools import groupby
from typing import ClassVar, Literal

from babelscope.data.examples import Example

from services.datagen.counts import StepReport
from services.datagen.transforms.base import Resources
from services.datagen.transforms.translate import SystemOptions, counted, mark
from services.datagen.transforms.translated import translate_examples
from services.runtime.options import option


@dataclass(frozen=True)
class BackTranslateOptions:
    """By way of which language, and which systems translate."""

    pivot: str = option("language to translate into and back from")
    backend: Literal["dictionary", "transformers", "ctranslate", "remote"] = option(
        "dictionary: word by word; transformers, ctranslate: a Marian, M2M-100 or NLLB model; remote: another server",
        default="dictionary",
    )
    dictionary: str = option("name of the dictionary (a folder, or with {source} and {target})", default="")
    model: str = option("folder or hub id of the model into the pivot", default="")
    back_model: str = option("folder or hub id of the model back; the same where empty", default="")
    address: str = option("HOST:PORT of a TranslateService that the settings allow, for remote", default="")
    system: str = option("which of the remote server's systems; its default where empty", default="")
    source: str = option("language of the examples; each one's own tag where empty", default="")
    beam: int = option("hypotheses that a model keeps; 1 is greedy", default=4, minimum=1, maximum=64)
    batch_tokens: int = option("padded source tokens of a model's batch", default=4096, minimum=16, maximum=1 << 20)

    def system_options(self, *, back: bool) -> SystemOptions:
        """The options of one way; the target is told for each run."""
        shared = {one.name: getattr(self, one.name) for one in fields(SystemOptions) if one.name != "target"}
        if back and self.back_model:
            shared["model"] = self.back_model
        return SystemOptions(target=self.pivot, **shared)


class BackTranslate:
    """Translates into a pivot language and back (the control that Hsu et al. 2019 propose in section 2.3.1).

    The corpus keeps its language and gains a translation's style ("translationese"). Attributes `origin`, `pivot` and
    `translated_by` tell how; answers are to be recovered as after `translate`.
    """

    name: ClassVar[str] = "back_translate"
    summary: ClassVar[str] = "Translates a corpus into another language and back, as a control."
    passes: ClassVar[int] = 1
    Options = BackTranslateOptions

    def __init__(self, options: BackTranslateOptions, resources: Resources, _seed: int) -> None:
        self._options = options
        self._there = resources.translator(options.system_options(back=False).choice())
        self._back = resources.translator(options.system_options(back=True).choice())

    def apply(self, examples: Iterable[Example], report: StepReport) -> Iterator[Example]:
        """Translates a stream there and back.

        Counts as `translate`; `texts`, `words` and `unknown` of both ways together.

        Raises:
            InvalidArgument: An example has no language, or is in the pivot language.
            ServiceError: What stopped a system, with the example's id.
        """
        options, counts = self._options, report.counts
        name = " ".join(dict.fromkeys((self._there.name, self._back.name)))
        for language, run in groupby(counted(examples, report), key=lambda one: options.source or one.language):
            marked = (replace(one, attributes={**one.attributes, "pivot": options.pivot}) for one in run)
            marked = (mark(one, name, options.source) for one in marked)
            there = translate_examples(marked, self._there, options.pivot, report, source=language)
            for example in translate_examples(there, self._back, language, report, source=options.pivot):
                counts["translated"] += 1
                counts["kept"] += 1
                yield example
