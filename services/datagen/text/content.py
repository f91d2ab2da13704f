"""The texts of an example, and the example again with its texts rewritten and its answers where they belong."""

from collections.abc import Callable, Sequence
from dataclasses import replace

from babelscope.corpora.spacing import text_of
from babelscope.data.examples import Answer, Content, Example, Question, Sentence, TextPair

from services.datagen.counts import StepReport
from services.datagen.text.edits import Rewritten
from services.datagen.text.offsets import NEWLINES, counted_otherwise
from services.runtime.errors import InvalidArgument
from services.runtime.text.words import run_together


def texts(content: Content) -> tuple[str, ...]:
    """The texts of an example: running text; words' forms; premise and hypothesis; context and question."""
    match content:
        case str():
            return (content,)
        case Question():
            return content.context, content.question
        case TextPair():
            return content.premise, content.hypothesis
        case Sentence():
            return tuple(word.form for word in content.words)


def with_content(example: Example, content: Content) -> Example:
    """The example with other content; all else is kept."""
    return Example(example.id, content, example.language, example.line, example.attributes)


def rewrite(
    example: Example,
    rewritten: Sequence[Rewritten],
    report: StepReport,
    apart: Callable[[str, str], bool] = run_together,
) -> Example:
    """The example with its texts rewritten: id, language, labels and attributes kept, answers where they now lie.

    An answer whose border falls inside a replaced word is widened to the whole replacement (counted as
    `answers_widened`); one of which nothing is left is dropped (`answers_dropped`). A sentence in words keeps its
    annotation; a word that changed loses its lemma, and the raw text is then written anew from the words, with a space
    where a changed word touches a neighbour that it must stand apart from.

    Args:
        example: The example.
        rewritten: One for each of `texts(example.content)`, in their order.
        report: Counts widened and dropped answers.
        apart: Whether two words of a sentence, at least one of them changed, need a space between them.

    Raises:
        InvalidArgument: An answer's offset was wrong before.
    """
    match example.content:
        case str():
            return with_content(example, rewritten[0].text)
        case Question() as question:
            check_answers(example)
            answers = [_moved(answer, rewritten[0], report) for answer in question.answers]
            kept = tuple([answer for answer in answers if answer.text])
            report.counts["answers_dropped"] += len(answers) - len(kept)
            return with_content(example, Question(rewritten[0].text, rewritten[1].text, kept, question.paragraph))
        case TextPair() as pair:
            return with_content(example, replace(pair, premise=rewritten[0].text, hypothesis=rewritten[1].text))
        case Sentence() as sentence:
            return with_content(example, _sentence(sentence, [one.text for one in rewritten], apart))


def _moved(answer: Answer, context: Rewritten, report: StepReport) -> Answer:
    start, end, widened = context.span(answer.start, answer.start + len(answer.text))
    report.counts["answers_widened"] += widened
    return Answer(context.text[start:end], start)


def _sentence(sentence: Sentence, forms: Sequence[str], apart: Callable[[str, str], bool]) -> Sentence:
    changed = [form != word.form for form, word in zip(forms, sentence.words, strict=True)]
    if not any(changed):
        return sentence
    last = len(forms) - 1
    words = []
    for i, word in enumerate(sentence.words):
        touched = i < last and (changed[i] or changed[i + 1])
        space = word.space_after or (touched and apart(forms[i], forms[i + 1]))
        lemma = "" if changed[i] else word.lemma
        words.append(replace(word, form=forms[i], lemma=lemma, space_after=space))
    return Sentence(tuple(words), text_of(words))


def check_answers(example: Example) -> None:
    """Checks that each answer of a question stands where its offset says.

    Raises:
        InvalidArgument: One does not, or is empty; the field names the example and the answer.
    """
    if not isinstance(example.content, Question):
        return
    context = example.content.context
    for i, answer in enumerate(example.content.answers):
        if answer.start < 0 or not answer.text or not context.startswith(answer.text, answer.start):
            raise _wrong_answer(f"examples[{example.id}].question.answers[{i}]", answer, context)


def _wrong_answer(where: str, answer: Answer, context: str) -> InvalidArgument:
    if not answer.text:
        return InvalidArgument(f"{where}.text", "Expected an answer of at least one character, but got none")
    if answer.start < 0:
        problem = f"Expected an offset of {answer.text!r}, but got {answer.start}: recover answers first"
        return InvalidArgument(f"{where}.start", problem)
    return InvalidArgument(f"{where}.start", misplaced(answer, context))


def misplaced(answer: Answer, context: str) -> str:
    """What is wrong with an answer that does not stand at its offset, and in which unit the offset would be right."""
    there = context[answer.start : answer.start + len(answer.text)]
    problem = f"Expected {answer.text!r} at {answer.start} of the context, but got {there!r}"
    counted = counted_otherwise(context, answer.text, answer.start)
    if counted is None:
        return problem
    unit = {
        "bytes": "bytes of UTF-8", "utf16": "units of UTF-16",
        NEWLINES: "code points where CRLF counts as one, or LF as two",
    }[counted.unit]  # fmt: skip
    return f"{problem}: {answer.start} is right in {unit}, {counted.start} in code points; recover answers first"
