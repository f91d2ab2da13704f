"""Datagen against what a user would write or install instead: spans, code-switching, permutation, a stream's memory."""

import os
import random
import re
import time
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from itertools import accumulate
from pathlib import Path

import numpy as np
from babelscope.data.examples import Answer, Example, Question
from fuzzysearch import find_near_matches

from benchmarks.rows import Row, row
from services.datagen.counts import StepReport
from services.datagen.datasets.dictionaries import Pair, WordPairs
from services.datagen.text.spans import closest_span
from services.datagen.transforms.base import Transform
from services.datagen.transforms.registry import create
from services.trainer.pretraining.id_batches import IdDictionary, code_switch_ids, permutation_of_ids, permute_ids

BENCH = "datagen"
LETTERS = "etaoinshrdlucmfwypvbgk"
WORDS = re.compile(r"\w+|\W+")


def run(quick: bool = False) -> list[Row]:
    """Measures all; `quick` sees that all runs."""
    maker = _Maker(random.Random(0))
    return [
        *_spans(maker, pairs=6 if quick else 60),
        *_text(maker, questions=200 if quick else 2000),
        *_ids(size=1 << 16 if quick else 1 << 18),
        *_stream(maker, megabytes=8 if quick else 1024),
    ]


class _Maker:
    """Texts of an invented language with the frequencies and lengths of a real one."""

    def __init__(self, draw: random.Random) -> None:
        self.draw = draw
        words = {"".join(draw.choices(LETTERS, k=min(2 + int(draw.expovariate(0.25)), 14))) for _ in range(9000)}
        self.words = sorted(words, key=len)[:8000]
        self.weights = list(accumulate(1 / rank for rank in range(1, len(self.words) + 1)))
        self.table = {word: word[::-1] + "o" for word in self.words[::2]}

    def text(self, words: int) -> str:
        """Sentences of about 15 words with capitals and full stops."""
        some = self.draw.choices(self.words, cum_weights=self.weights, k=words)
        sentences = [some[i : i + 15] for i in range(0, words, 15)]
        return " ".join(" ".join([one[0].capitalize(), *one[1:]]) + "." for one in sentences)

    def question(self, name: str, context: str) -> Example:
        """A question whose answer is some words of the context."""
        spans = [match.span() for match in re.finditer(r"\w+", context)]
        first = self.draw.randrange(len(spans))
        last = min(first + int(self.draw.expovariate(0.4)), len(spans) - 1)
        start, end = spans[first][0], spans[last][1]
        return Example(name, Question(context, self.text(10), (Answer(context[start:end], start),)), "en")

    def questions(self, size: int) -> list[Example]:
        """Five questions a context of about 125 words, as in SQuAD."""
        contexts = [self.text(125) for _ in range(-(-size // 5))]
        return [self.question(f"q{i}", contexts[i // 5]) for i in range(size)]

    def dictionary(self, _reference: str, source: str, _target: str) -> WordPairs:
        """Half of the words."""
        return WordPairs((Pair(*pair) for pair in self.table.items()), source=source)

    def dataset(self, name: str) -> list[Example]:
        """There is none."""
        raise KeyError(name)


def _best(work: Callable[[], object], rounds: int = 5) -> float:
    """Seconds of the processor's time: all here runs on one thread, and the machine may be shared."""
    times = []
    for _ in range(rounds):
        began = time.process_time()
        work()
        times.append(time.process_time() - began)
    return min(times)


def _spans(maker: _Maker, pairs: int) -> list[Row]:
    asked = []
    for example in maker.questions(pairs):
        answer = example.content.answers[0]
        noisy = list(answer.text)
        for _ in range(max(1, round(maker.draw.uniform(0.1, 0.2) * len(noisy)))):
            noisy[maker.draw.randrange(len(noisy))] = maker.draw.choice(LETTERS)
        asked.append((example.content.context, "".join(noisy), answer.start / len(example.content.context)))
    peer = _best(lambda: [find_near_matches(two, one, max_l_dist=min(10, len(two) - 1)) for one, two, _ in asked], 1)
    rounds = 20
    seconds = _best(lambda: [closest_span(*one) for _ in range(rounds) for one in asked]) / rounds
    true = sum(closest_span(*one).distance == _minimum(one[0], one[1]) for one in asked)
    setting = "fuzzysearch, max_l_dist=min(10, n-1)"
    return [
        row(BENCH, "span recovery", peer / seconds, "x", against=setting, at_least=1000),
        row(BENCH, "span recovery, true minimum", 100 * true / len(asked), "%", against="all spans", at_least=100),
        row(BENCH, "span recovery, a question", 1e6 * seconds / len(asked), "us"),
    ]


def _minimum(text: str, answer: str) -> int:
    """The smallest distance over all substrings by Sellers' table, column by column."""
    column = list(range(len(answer) + 1))
    best = column[-1]
    for character in text:
        last, column[0] = column[0], 0
        for i, wanted in enumerate(answer, 1):
            last, column[i] = column[i], min(column[i] + 1, column[i - 1] + 1, last + (character != wanted))
        best = min(best, column[-1])
    return best


def _text(maker: _Maker, questions: int) -> list[Row]:
    table = maker.table
    step = create("code_switch", {"dictionary": "d", "languages": "xx"}, maker, 0)

    def ours(examples: list[Example]) -> list[Example]:
        return list(step.apply(examples, StepReport("code_switch")))

    def by_hand(examples: list[Example]) -> list[Example]:
        return [_by_hand(example, table) for example in examples]

    def bare(examples: list[Example]) -> list[list[str]]:
        return [[_bare(text, table) for text in (one.content.context, one.content.question)] for one in examples]

    # Every round has texts of its own: what is remembered of the last ones is what a long corpus would leave.
    corpora = [maker.questions(questions) for _ in range(5)]
    best = {work: min(_best(partial(work, one), 1) for one in corpora) for work in (ours, by_hand, bare)}
    figure, against = "code-switch, text", "list comprehension"
    return [
        row(BENCH, figure, best[by_hand] / best[ours], "x", against=f"{against}, offsets kept", at_least=1),
        row(BENCH, figure, best[bare] / best[ours], "x", against=f"{against}, offsets lost, no case, no stops"),
        row(BENCH, figure, 1e6 * best[ours] / questions, "us a question"),
    ]


def _bare(text: str, table: dict[str, str]) -> str:
    return " ".join([table.get(word, word) for word in text.split()])


def _by_hand(example: Example, table: dict[str, str]) -> Example:
    """The same change by list comprehensions: offsets kept, case not."""
    question = example.content
    pieces = [(match.start(), match.group()) for match in WORDS.finditer(question.context)]
    old = [start for start, _ in pieces]
    new = [table.get(piece.lower(), piece) for _, piece in pieces]
    starts = list(accumulate(map(len, new), initial=0))
    context = "".join(new)
    answers = []
    for answer in question.answers:
        first = bisect_right(old, answer.start) - 1
        last = bisect_left(old, answer.start + len(answer.text))
        answers.append(Answer(context[starts[first] : starts[last]], starts[first]))
    asked = "".join([table.get(piece.lower(), piece) for piece in WORDS.findall(question.question)])
    return Example(example.id, Question(context, asked, tuple(answers)), example.language)


def _ids(size: int, vocabulary: int = 30000) -> list[Row]:
    draws = np.random.default_rng(0)
    targets, weights = draws.integers(0, vocabulary, (vocabulary, 3)), draws.random((vocabulary, 3)) + 0.1
    entries = {
        one: list(zip(targets[one].tolist(), weights[one].tolist(), strict=True))
        for one in draws.permutation(vocabulary)[: vocabulary // 2].tolist()
    }
    ids = draws.integers(0, vocabulary, (size // 256, 256)).astype(np.int32)
    flat = ids.ravel().tolist()
    dictionary = IdDictionary.build(entries, vocabulary)
    offers = {one: ([t for t, _ in some], [w for _, w in some]) for one, some in entries.items()}

    def loop() -> list[int]:
        draw, left, out = random.Random(0), int(0.15 * len(flat)), []
        for one in flat:
            if left and one in offers and draw.random() < 0.3:
                out.append(draw.choices(*offers[one])[0])
                left -= 1
            else:
                out.append(one)
        return out

    best = {one: some[0][0] for one, some in entries.items()}
    table, mapping = dictionary.best(), permutation_of_ids(vocabulary, draws)
    by_dict = dict(enumerate(mapping.tolist()))
    switched = _best(lambda: code_switch_ids(ids, dictionary, draws))
    looked_up, permuted = _best(lambda: permute_ids(ids, table)), _best(lambda: permute_ids(ids, mapping))
    by_best = _best(lambda: [best.get(one, one) for one in flat])
    by_mapping = _best(lambda: [by_dict[one] for one in flat])
    return [
        row(BENCH, "code-switch, ids (conneau)", _best(loop) / switched, "x", against="loop", at_least=10),
        row(BENCH, "code-switch, ids (hsu)", by_best / looked_up, "x", against="list comprehension", at_least=10),
        row(BENCH, "permutation, ids", by_mapping / permuted, "x", against="dict", at_least=10),
    ]


class _Stream(Iterable[Example]):
    """A corpus that is made anew every time it is read, and code-switched on the way."""

    def __init__(self, maker: _Maker, size: int, step: Transform, seen: Callable[[], None]) -> None:
        self.sentences = [maker.text(15) for _ in range(20000)]
        self.size, self.step, self.seen = size, step, seen

    def __iter__(self) -> Iterator[Example]:
        return self.step.apply(self._raw(), StepReport("code_switch"))

    def _raw(self) -> Iterator[Example]:
        draw, made, number = random.Random(1), 0, 0
        while made < self.size:
            text = " ".join(draw.choices(self.sentences, k=8)) + f" {number}"
            made, number = made + len(text), number + 1
            if number % 1000 == 0:
                self.seen()
            yield Example(str(number), text, "en")


def _stream(maker: _Maker, megabytes: int) -> list[Row]:
    sizes: list[int] = []
    switch = create("code_switch", {"dictionary": "d", "languages": "xx"}, maker, 0)
    stream = _Stream(maker, megabytes * 1_000_000, switch, lambda: sizes.append(_resident()))
    # The vocabulary is that of a sample: running numbers, one a text, would be a vocabulary that grows.
    permute = create("permute_vocabulary", {"vocabulary": "sample"}, _Sample(maker), 0)
    began = time.perf_counter()
    written = sum(len(one.content) for one in permute.apply(stream, StepReport("permute_vocabulary")))
    seconds = time.perf_counter() - began
    early = max(sizes[: max(len(sizes) // 10, 1)])
    name = f"stream of {megabytes} MB through code_switch and permute_vocabulary"
    return [
        row(BENCH, f"{name}, memory grown after its first tenth", (max(sizes) - early) / 1e6, "MB", at_most=32),
        row(BENCH, f"{name}, speed", written / 1e6 / seconds, "MB/s"),
    ]


class _Sample(_Maker):
    def __init__(self, maker: _Maker) -> None:
        self.words, self.table = maker.words, maker.table

    def dataset(self, name: str) -> list[Example]:
        switched = [self.table.get(word, word) for word in self.words]
        return [Example(name, " ".join(switched + [word.capitalize() for word in switched]), "en")]


def _resident() -> int:
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")
