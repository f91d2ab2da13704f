"""Texts with the words or spans of labelled examples, for pooling by word or by span."""

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from babelscope.corpora.options import Options
from babelscope.corpora.reading import read_examples, read_texts
from babelscope.corpora.spacing import spaces_after, text_of
from babelscope.data.examples import Example, Question, Sentence
from babelscope.data.texts import UNITS, Text
from babelscope.errors import CorpusError


def words_text(example: Example) -> Text:
    """A sentence as a text with its words: in its raw text where that spells them, otherwise in the text they make.

    The raw text does not spell the words where multi-word tokens are split, French `du` in `de` and `le`. The words
    then have a space between them, but where none follows a word: `(di l'isola)` of `(dell'isola)`.

    Raises:
        ValueError: The example is no sentence in words.
    """
    content = example.content
    if not isinstance(content, Sentence) or not content.words:
        raise ValueError(f"Expected a sentence in words, but example {example.id!r} is none")
    forms = tuple(word.form for word in content.words)
    text = content.text if content.text and spaces_after(forms, content.text) is not None else ""
    if not text and not all(word.space_after for word in content.words[:-1]):
        text = text_of(content.words)
    return Text(example.id, text, example.language, words=forms)


def answers_text(example: Example, *, every: bool = False) -> Text | None:
    """The context of a question as a text with the spans of its answers; None where it has no answer.

    Args:
        example: A question.
        every: Whether all gold answers are spans, each place once; otherwise the first one alone.

    Raises:
        ValueError: The example is no question, or an answer is not where it says.
    """
    content = example.content
    if not isinstance(content, Question):
        raise ValueError(f"Expected a question, but example {example.id!r} is none")
    answers = content.answers if every else content.answers[:1]
    spans = tuple(dict.fromkeys((answer.start, answer.start + len(answer.text)) for answer in answers))
    if not spans:
        return None
    for answer in answers:
        if not answer.text or content.context[answer.start :][: len(answer.text)] != answer.text:
            raise ValueError(
                f"Expected the answer of {example.id!r} at {answer.start} of its context, but it is not there"
            )
    return Text(example.id, content.context, example.language, spans=spans)


def read_units(
    path: str | Path,
    pooling: str,
    *,
    format: str | None = None,  # noqa: A002
    language: str = "",
) -> list[Text]:
    """All texts of a corpus with the units that a pooling gives rows.

    Args:
        path: A file, plain or gzip.
        pooling: Pooling: with `word_first` and `word_mean`, sentences with their words; with `span`, contexts with the
            first answer of each question that has one; with others, texts as `read_texts` gives them.
        format: Format of the file; told from it where None.
        language: BCP 47 tag of the texts.

    Raises:
        CorpusError: The file cannot be read, or does not hold what the pooling needs.
    """
    units = UNITS.get(pooling)
    if units not in {"words", "spans"}:
        return read_texts(path, format=format, language=language)
    examples = read_examples(path, format=format, options=Options(language))
    texts = []
    try:
        for example in examples:
            text = words_text(example) if units == "words" else answers_text(example)
            if text is not None:
                texts.append(text if text.language else replace(text, language=language))
    except ValueError as error:
        raise CorpusError(Path(path), 0, f"{error}; pooling {pooling} needs {_NEEDS[units]}") from None
    _check(texts, Path(path), pooling)
    return texts


_NEEDS = {
    "words": "sentences in words, as in the formats conllu and iob2",
    "spans": "questions, as in the format squad",
}


def _check(texts: Iterable[Text], path: Path, pooling: str) -> None:
    seen: set[str] = set()
    for text in texts:
        if text.id in seen:
            raise CorpusError(path, 0, f"Expected each id once, but got {text.id!r} again")
        seen.add(text.id)
    if not seen:
        raise CorpusError(path, 0, f"Expected at least one text with what pooling {pooling} needs, but got none")
