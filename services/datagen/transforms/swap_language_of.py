"""Question in one language, context in another: parts taken from the parallel example."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import ClassVar, Literal

from babelscope.data.examples import Example, Question, TextPair
from babelscope.data.languages import same_language

from services.datagen.counts import StepReport
from services.datagen.text.content import check_answers, texts
from services.datagen.transforms.base import Resources
from services.runtime.errors import FailedPrecondition, InvalidArgument
from services.runtime.memory import hold_here, weight
from services.runtime.options import option


@dataclass(frozen=True)
class SwapLanguageOfOptions:
    """What to swap."""

    part: Literal["question", "context", "premise", "hypothesis"] = option("the part that changes its language")
    language: str = option("language of the part after the swap")
    dataset: str = option("dataset with the parallel examples; the input itself where empty", default="")


class SwapLanguageOf:
    """Takes one part of each example from the parallel example (the same id) in another language.

    A context comes with its answers. Examples in that language already stay as they are; one without a parallel
    example is dropped and counted. The language tag stays, the part's own is kept as the attribute `PART_language`.
    The parallel parts in that one language are held in memory.
    """

    name: ClassVar[str] = "swap_language_of"
    summary: ClassVar[str] = "Takes the question or the context from the parallel example in another language."
    passes: ClassVar[int] = 2
    Options = SwapLanguageOfOptions

    def __init__(self, options: SwapLanguageOfOptions, resources: Resources, _seed: int) -> None:
        self._options, self._resources = options, resources

    def apply(self, examples: Iterable[Example], report: StepReport) -> Iterator[Example]:
        """Swaps a corpus, which is read twice.

        Counts `read`, `kept`, `swapped`, `same` (in that language already), `missing` (dropped).

        Raises:
            InvalidArgument: An example has no such part, or an answer's offset is wrong.
            FailedPrecondition: No example is in that language.
        """
        part, language = self._options.part, self._options.language
        others: dict[str, Question | TextPair] = {}
        for example in self._resources.dataset(self._options.dataset) if self._options.dataset else examples:
            if same_language(example.language, language):
                others[example.id] = self._checked(example)
                hold_here(weight(example.id, *texts(example.content)))
        if not others:
            raise FailedPrecondition("swap_language_of", f"Expected parallel examples in {language!r}, but got none")
        for example in examples:
            report.counts["read"] += 1
            content = self._checked(example)
            if same_language(example.language, language):
                report.counts["same"] += 1
            elif example.id not in others:
                report.counts["missing"] += 1
                continue
            else:
                report.counts["swapped"] += 1
                attributes = {**example.attributes, f"{part}_language": language}
                example = replace(  # noqa: PLW2901
                    example, content=_swapped(content, others[example.id], part), attributes=attributes
                )
            report.counts["kept"] += 1
            yield example

    def _checked(self, example: Example) -> Question | TextPair:
        part, content = self._options.part, example.content
        if not isinstance(content, Question | TextPair) or not hasattr(content, part):
            kind = type(content).__name__
            raise InvalidArgument(f"examples[{example.id}]", f"Expected an example with a {part}, but got a {kind}")
        check_answers(example)
        return content


def _swapped(content: Question | TextPair, other: Question | TextPair, part: str) -> Question | TextPair:
    if isinstance(content, Question) and isinstance(other, Question):
        if part == "question":
            return replace(content, question=other.question)
        return replace(content, context=other.context, answers=other.answers)
    if isinstance(content, TextPair) and isinstance(other, TextPair):
        if part == "premise":
            return replace(content, premise=other.premise)
        return replace(content, hypothesis=other.hypothesis)
    return content
