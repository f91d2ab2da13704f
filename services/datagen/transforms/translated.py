"""Examples through a translating system: texts out, translations in, each example put together again."""

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from itertools import groupby

from babelscope.data.examples import Answer, Content, Example, Question, Sentence, TextPair

from services.datagen.counts import StepReport
from services.datagen.transforms.recover_answers import POSITIONS, positions
from services.datagen.translation.base import Translated, Translator
from services.runtime.errors import (
    DeadlinePassed,
    FailedPrecondition,
    InvalidArgument,
    LimitExceeded,
    NotFound,
    ServiceError,
    Unavailable,
)


@dataclass(slots=True)
class _Pending:
    """An example whose texts are under way.

    Attributes:
        example: The example.
        texts: Texts of the example.
        done: Their translations so far; a text of white space stays.
    """

    example: Example
    texts: tuple[str, ...]
    done: list[str] = field(default_factory=list)

    def skip_blank(self) -> None:
        """Keeps the blank texts that come next."""
        while len(self.done) < len(self.texts) and not self.texts[len(self.done)].strip():
            self.done.append(self.texts[len(self.done)])

    @property
    def whole(self) -> bool:
        """Whether all texts are translated."""
        return len(self.done) == len(self.texts)


def texts_of(content: Content) -> tuple[str, ...]:
    """What is translated of an example: text; raw sentence; premise and hypothesis; context, question and answers."""
    match content:
        case str():
            return (content,)
        case Sentence():
            return (content.text,)
        case TextPair():
            return content.premise, content.hypothesis
        case Question():
            return content.context, content.question, *(answer.text for answer in content.answers)


def translate_examples(
    examples: Iterable[Example], translator: Translator, target: str, report: StepReport, *, source: str = ""
) -> Iterator[Example]:
    """Translates a stream of examples, a run of one language after the other.

    Args:
        examples: Read lazily, as far ahead as the system does.
        translator: The system.
        target: Language of the translations.
        report: Counts `texts`, `words`, `unknown`, `annotation_lost`.
        source: Language of the examples; each one's own tag where empty.

    Yields:
        Each example in its order: id, label and attributes kept, language tag changed. Answers have `start=-1`, and the
        attribute `answer_positions` tells where they were. A sentence in words becomes running text.

    Raises:
        InvalidArgument: An example has no language, or is refused; the field names it.
        ServiceError: What stopped the system, with the id of the example whose translation did not come.
    """
    for language, run in groupby(examples, key=lambda example: source or example.language):
        yield from _run(run, translator, language, target, report)


def _run(
    examples: Iterable[Example], translator: Translator, source: str, target: str, report: StepReport
) -> Iterator[Example]:
    pending: deque[_Pending] = deque()
    feed = _Feed(examples, pending, source)
    translations = translator.translate(feed.texts(), source, target)
    while True:
        try:
            translation = next(translations, None)
        except ServiceError as error:
            if error is feed.failure or not pending:
                raise
            raise _naming(error, next(one for one in pending if not one.whole).example.id) from error
        if translation is not None:
            _put(pending, translation, report)
        while pending and pending[0].whole:
            yield _rewritten(pending.popleft(), target, report)
        if translation is None:
            break
    if pending:
        problem = f"Expected a translation of every text, but it ended before that of examples[{pending[0].example.id}]"
        raise FailedPrecondition(translator.name, problem)


class _Feed:
    """Texts of examples, and what failed while they were read: that is no failure of the system.

    Args:
        examples: Read lazily.
        pending: Receives each example that was read.
        source: Their language.
    """

    def __init__(self, examples: Iterable[Example], pending: deque[_Pending], source: str) -> None:
        self._examples, self._pending, self._source = examples, pending, source
        self.failure: ServiceError | None = None

    def texts(self) -> Iterator[str]:
        """Yields the texts that are not blank."""
        try:
            for example in self._examples:
                if not self._source:
                    problem = "Expected a language tag or the option `source`, but got none"
                    raise InvalidArgument(f"examples[{example.id}].language", problem)
                one = _Pending(example, texts_of(example.content))
                one.skip_blank()
                self._pending.append(one)
                yield from (text for text in one.texts if text.strip())
        except ServiceError as error:
            self.failure = error
            raise


def _put(pending: deque[_Pending], translation: Translated, report: StepReport) -> None:
    one = next(one for one in pending if not one.whole)
    one.done.append(translation.text)
    one.skip_blank()
    report.counts["texts"] += 1
    if translation.words:
        report.counts["words"] += translation.words
        report.counts["unknown"] += translation.unknown


def _rewritten(one: _Pending, target: str, report: StepReport) -> Example:
    example, content = one.example, one.example.content
    attributes = dict(example.attributes)
    done: Content
    match content:
        case str():
            done = one.done[0]
        case Sentence():
            done = one.done[0]
            report.counts["annotation_lost"] += 1
            report.warn("Sentences in words became running text: trees and tags do not survive translation")
        case TextPair():
            done = replace(content, premise=one.done[0], hypothesis=one.done[1])
        case Question():
            if content.answers:
                # Translated a second time, an answer that nobody recovered is still where it first was.
                if not (POSITIONS in attributes and all(answer.start < 0 for answer in content.answers)):
                    attributes[POSITIONS] = positions(content)
                answers = tuple(Answer(text, -1) for text in one.done[2:])
            else:
                answers = ()
            done = replace(content, context=one.done[0], question=one.done[1], answers=answers)
    return Example(example.id, done, target, example.line, attributes)


def _naming(error: ServiceError, example: str) -> ServiceError:
    """The same error with the id of the example at which it happened."""
    where = f"examples[{example}]"
    match error:
        case InvalidArgument() if error.field.startswith("options["):
            return InvalidArgument(error.field, f"{error.problem} ({where})")
        case InvalidArgument():
            return InvalidArgument(where, f"{error.field}: {error.problem}")
        case NotFound():
            note = "; ".join(part for part in (error.note, where) if part)
            return NotFound(error.kind, error.name, error.nearby, note)
        case FailedPrecondition():
            return FailedPrecondition(error.subject, f"{error.reason} ({where})")
        case LimitExceeded():
            return LimitExceeded(error.subject, f"{error.problem} ({where})", error.retry_after)
        case DeadlinePassed():
            return DeadlinePassed(f"{where}: {error}")
        case Unavailable():
            return Unavailable(f"{where}: {error}", error.retry_after)
    return error
