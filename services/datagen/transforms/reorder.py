"""Typology manipulation: sentences turned from one order of subject, object and verb to another (Hsu et al. 2019)."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import ClassVar, Literal

import numpy as np
from babelscope.data.examples import Answer, Content, Example, Question, Sentence, TextPair, Word

from services.datagen.counts import StepReport
from services.datagen.randomness import generator
from services.datagen.transforms.base import Resources
from services.datagen.trees.parsing import Parsed, Parser, parser_of
from services.datagen.trees.surface import Span, Written, align, rewrite
from services.datagen.trees.tree import tree_of
from services.datagen.trees.word_order import ORDERS, final_punctuation, reordered
from services.runtime.errors import FailedPrecondition
from services.runtime.options import option


@dataclass(frozen=True)
class ReorderOptions:
    """Options of `reorder`."""

    order: Literal["SOV", "VOS", "VSO", "OSV", "OVS", "SVO", "random"] = option(
        "order of subject, object and verb; random draws one for every verb"
    )
    parser: str = option("parser for raw text: stanza; trees of CoNLL-U examples need none", default="")
    questions: bool = option("reorder the questions of question answering too, not only the contexts", default=True)


class Reorder:
    """Reorders every sentence of an example; see `services.datagen.trees.word_order` for the rule.

    Sentences with trees are reordered as they are, raw text goes through the parser. Words move with all they carry.
    Answers are followed by their tokens: one whose tokens are no longer neighbours is dropped and counted, and so is an
    example that loses all its answers.
    """

    name: ClassVar[str] = "reorder"
    summary: ClassVar[str] = "Turns sentences to another order of subject, object and verb, along their trees."
    passes: ClassVar[int] = 1
    Options: ClassVar[type[ReorderOptions]] = ReorderOptions

    def __init__(self, options: ReorderOptions, resources: Resources, seed: int) -> None:
        self._options = options
        self._seed = seed
        self._parser: Parser | None = parser_of(options.parser) if options.parser else None

    def apply(self, examples: Iterable[Example], report: StepReport) -> Iterator[Example]:
        """Reorders a stream of examples.

        Counts: `read`, `kept`, `dropped` (examples), `sentences`, `moved` (sentences whose order changed),
        `answers_kept`, `answers_dropped`, `entities_split` (entities whose words are no longer neighbours).

        Raises:
            InvalidArgument: A sentence's heads are no tree; the message names the example.
            FailedPrecondition: An example has raw text and no parser was asked for.
        """
        for example in examples:
            report.counts["read"] += 1
            draws = generator(self._seed, self.name, example.id)
            content = _One(example, self._options, self._parser, draws, report).content()
            report.counts["dropped" if content is None else "kept"] += 1
            if content is not None:
                yield replace(example, content=content)


@dataclass(frozen=True, slots=True)
class _One:
    """The work on one example."""

    example: Example
    options: ReorderOptions
    parser: Parser | None
    draws: np.random.Generator
    report: StepReport

    def content(self) -> Content | None:
        """The content reordered; None where the example is to be dropped."""
        content = self.example.content
        if isinstance(content, Sentence):
            text, spans = content.text, align(content.words, content.text)
            if spans is None:
                text, spans = _joined(content.words)
                self.report.warn("The raw text of some sentences does not spell their words: it was put together anew.")
            return self._moved(content, text, spans)[0].sentence
        if isinstance(content, TextPair):
            return replace(
                content, premise=self._text(content.premise)[0], hypothesis=self._text(content.hypothesis)[0]
            )
        if isinstance(content, Question):
            return self._question(content)
        return self._text(content)[0]

    def _question(self, content: Question) -> Question | None:
        context, old, new = self._text(content.context)
        answers = [_followed(answer, context, old, new) for answer in content.answers]
        kept = tuple(answer for answer in answers if answer is not None)
        self.report.counts["answers_kept"] += len(kept)
        self.report.counts["answers_dropped"] += len(answers) - len(kept)
        if answers and not kept:
            return None
        question = self._text(content.question)[0] if self.options.questions else content.question
        return replace(content, context=context, question=question, answers=kept)

    def _text(self, text: str) -> tuple[str, list[Span], list[Span]]:
        """Raw text reordered, with the old and the new span of every word, in the new order."""
        pieces: list[str] = []
        old: list[Span] = []
        new: list[Span] = []
        end = length = 0
        for parsed in self._parsed(text):
            local = [(start - parsed.start, stop - parsed.start) for start, stop in parsed.spans]
            written, order = self._moved(parsed.sentence, parsed.sentence.text, local)
            gap = text[end : parsed.start]
            length += len(gap)
            old += [parsed.spans[position] for position in order]
            new += [(start + length, stop + length) for start, stop in written.spans]
            pieces += [gap, written.sentence.text]
            length += len(written.sentence.text)
            end = parsed.end
        return "".join([*pieces, text[end:]]), old, new

    def _parsed(self, text: str) -> Sequence[Parsed]:
        if self.parser is None:
            raise FailedPrecondition(
                f"example {self.example.id}",
                "Expected a sentence with a dependency tree, but got raw text; read CoNLL-U, or name a `parser`",
            )
        return self.parser.parse(text, self.example.language)

    def _moved(self, sentence: Sentence, text: str, spans: Sequence[Span]) -> tuple[Written, list[int]]:
        tree = tree_of(sentence, self.example.id)
        order = reordered(tree, self._order, self.example.language)
        moved = order != sorted(order)
        self.report.counts["sentences"] += 1
        self.report.counts["moved"] += moved
        words = list(sentence.words)
        if moved:  # the final punctuation may have left its clause: it belongs to the whole sentence
            for position in final_punctuation(tree):
                if words[position].head != tree.root + 1:
                    words[position] = replace(words[position], head=tree.root + 1, deps="")
        written = rewrite(words, text, spans, order)
        tagged, split = _entities_begun(written.sentence.words, order)
        self.report.counts["entities_split"] += split
        return replace(written, sentence=replace(written.sentence, words=tagged)), order

    def _order(self, verb: int) -> str:
        return ORDERS[self.draws.integers(len(ORDERS))] if self.options.order == "random" else self.options.order


def _joined(words: Sequence[Word]) -> tuple[str, list[Span]]:
    """Text put together from words and their spaces."""
    text, spans = "", []
    for word in words:
        spans.append((len(text), len(text) + len(word.form)))
        text += word.form + (" " if word.space_after else "")
    return text.rstrip(" "), spans


def _entities_begun(words: Sequence[Word], order: Sequence[int]) -> tuple[tuple[Word, ...], int]:
    """BIO tags set right after a move: a run begins where its predecessor is not the word that stood before.

    Returns:
        The words, and how many more runs there are than entities.
    """
    tagged: list[Word] = []
    split = 0
    for place, word in enumerate(words):
        kind = word.ner[2:]
        follows = place > 0 and order[place - 1] == order[place] - 1
        if word.ner.startswith("I-") and not follows:
            split += 1
            tagged.append(replace(word, ner=f"B-{kind}"))
        else:
            tagged.append(word)
    return tuple(tagged), split


def _followed(answer: Answer, context: str, old: Sequence[Span], new: Sequence[Span]) -> Answer | None:
    """An answer in the new context; None where its tokens are no longer neighbours.

    Args:
        answer: The answer, with its offset in the old context.
        context: The new context.
        old: Spans in the old context, in the new order of words.
        new: Spans in the new context.
    """
    start, end = answer.start, answer.start + len(answer.text)
    places = [place for place, (first, last) in enumerate(old) if first < end and last > start]
    if not places or places[-1] - places[0] + 1 != len(places):
        return None
    before, after = old[places[0]], old[places[-1]]
    in_order = all(old[one] <= old[other] for one, other in pairwise(places))
    if in_order:
        left, right = start - before[0], after[1] - end
    else:
        low = min(old[place][0] for place in places)
        high = max(old[place][1] for place in places)
        if (low, high) != (start, end):
            return None  # the answer cuts a token that has moved within it
        left = right = 0
    new_start, new_end = new[places[0]][0] + left, new[places[-1]][1] - right
    if new_start < 0 or new_end <= new_start:
        return None
    return Answer(context[new_start:new_end], new_start)
