"""Texts changed as wholes: what prepares lines for pretraining, and keeps the offsets of questions right."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from functools import lru_cache

from babelscope.data.examples import Example, Question, Sentence, TextPair

from services.datagen.counts import StepReport
from services.datagen.text.chunks import RECENT
from services.datagen.text.content import rewrite, texts, with_content
from services.datagen.text.edits import Edits, between

Change = Callable[[str, str], str]
"""From a text and its language to the text that it becomes; what is empty then is left out."""


def changed(
    examples: Iterable[Example], change: Change, report: StepReport, *, of_words: Change | None = None
) -> Iterator[Example]:
    """Changes the texts of a stream; counts `read`, `kept`, `changed`, `dropped` (nothing is left), `annotation_lost`.

    Sentences in words become running text: their trees and tags do not survive. Answers of questions move with their
    contexts; borders that fall inside of what changed move outwards.

    Args:
        examples: Read lazily.
        change: Change of a text.
        report: Receives the counts.
        of_words: Change of the words of a sentence, joined by spaces; its raw text is changed where None.

    Raises:
        InvalidArgument: An answer's offset is wrong.
    """
    counts = report.counts

    @lru_cache(maxsize=RECENT)  # the questions about one context follow one another
    def edits(text: str, language: str) -> Edits:
        return between(text, change(text, language))

    for example in examples:
        counts["read"] += 1
        language, content = example.language, example.content
        if isinstance(content, Sentence):
            words = " ".join(word.form for word in content.words)
            done = with_content(example, of_words(words, language) if of_words else change(content.text, language))
            counts["annotation_lost"] += 1
            report.warn("Sentences in words became running text: their trees and tags are gone")
        elif isinstance(content, Question):
            done = rewrite(example, [edits(text, language) for text in texts(content)], report)
        elif isinstance(content, TextPair):
            premise, hypothesis = change(content.premise, language), change(content.hypothesis, language)
            done = with_content(example, replace(content, premise=premise, hypothesis=hypothesis))
        else:
            done = with_content(example, change(content, language))
        if not any(texts(done.content)):
            counts["dropped"] += 1
            continue
        counts["changed"] += done.content != content
        counts["kept"] += 1
        yield done
