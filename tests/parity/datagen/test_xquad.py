"""Every transform on every language of XQuAD; answers with errors found again; all questions in `make soak`."""

import random
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path

import pytest
from babelscope.data.examples import Answer, Example

from services.datagen.datasets.dictionaries import WordPairs, find_dictionary, read_dictionary
from services.datagen.transforms.recover_answers import POSITIONS, positions
from tests.support.datagen_corpora import Memory, assert_offsets, transform
from tests.support.whole import spread

pytestmark = pytest.mark.shared_data
EVERY = 8


# No transform changes a dictionary.
_read = cache(read_dictionary)


class Folder(Memory):
    """Dictionaries of the shared folder; from another language into English they are read backwards."""

    def __init__(self, root: Path) -> None:
        super().__init__()
        self.root = root

    def dictionary(self, reference: str, source: str, target: str) -> WordPairs:
        if source == "en":
            return _read(find_dictionary([self.root], reference, source, target), source=source)
        forward = read_dictionary(find_dictionary([self.root], reference, "en", source))
        pairs = {(found, word) for word in forward.sources() for found, _ in forward.translations(word)}
        return Memory({"x": sorted(pairs)}).dictionary("x", source, target)


@pytest.mark.parametrize("case", ["exact", "keep"])
def test_permuted(xquad: dict[str, list[Example]], case: str) -> None:
    for every in xquad.values():
        examples = spread(every, 5)
        done, report = transform("permute_vocabulary", examples, case=case, seed=1)
        assert_offsets(done)
        assert [one.id for one in done] == [one.id for one in examples]
        assert report.counts["answers_dropped"] == 0
        assert sum(len(one.content.answers) for one in done) == len(examples)
        assert report.counts["replaced"] / report.counts["words"] > 0.99
        assert report.counts["answers_widened"] < 0.1 * len(examples)  # those that do not end where words do


def test_code_switched_from_english(shared_data: Callable[[str], Path], xquad: dict[str, list[Example]]) -> None:
    resources = Folder(shared_data("dictionaries").parent)
    english = spread(xquad["en"], EVERY)
    for target in ("de", "zh", "ja", "ru", "el", "hi"):
        for rule in ("hsu", "conneau"):
            done, report = transform(
                "code_switch", english, resources, dictionary="dictionaries", languages=target, rule=rule
            )
            assert_offsets(done)
            assert report.counts["answers_dropped"] == 0
            ratio = report.counts["replaced"] / report.counts["words"]
            assert (0.2 < ratio < 0.8) if rule == "hsu" else (0.05 < ratio <= 0.15), (target, ratio)


@pytest.mark.parametrize("source", ["zh", "ar", "ru", "hi", "tr", "es", "de", "el"])
def test_code_switched_into_english(
    shared_data: Callable[[str], Path], xquad: dict[str, list[Example]], source: str
) -> None:
    resources = Folder(shared_data("dictionaries").parent)
    examples = spread(xquad[source], EVERY)
    done, report = transform("code_switch", examples, resources, dictionary="dictionaries", languages="en")
    assert_offsets(done)
    assert report.counts["answers_dropped"] == 0
    assert report.counts["replaced"] / report.counts["words"] > 0.05


@pytest.mark.slow
def test_prefixed_and_swapped(xquad: dict[str, list[Example]]) -> None:
    english = spread(xquad["en"], EVERY)
    for language, every in xquad.items():
        examples = list(spread(every, EVERY))
        done, report = transform("prefix_language", examples)
        assert_offsets(done)
        assert report.counts["answers_dropped"] == 0
        if language != "en":
            swapped, report = transform("swap_language_of", [*examples, *english], part="context", language="en")
            assert_offsets(swapped)
            assert report.counts["swapped"] == len(examples)
            assert report.counts["missing"] == 0


def _with_errors(text: str, share: float, draw: random.Random, alphabet: str) -> str:
    """An answer with so many edits for each of its characters: a change, a loss or an insertion each."""
    characters = list(text)
    for _ in range(round(share * len(text))):
        place = draw.randrange(len(characters) + 1)
        kind = draw.choice(("change", "insert", "lose"))
        if kind == "insert" or place == len(characters):
            characters.insert(place, draw.choice(alphabet))
        elif kind == "change":
            characters[place] = draw.choice(alphabet)
        elif len(characters) > 1:
            del characters[place]
    return "".join(characters)


def _noisy(examples: list[Example], draw: random.Random) -> list[Example]:
    """The questions as after a translation: their answers with errors in 10 to 20 % of the characters, not located."""
    noisy = []
    for example in examples:
        question = example.content
        answers = tuple(
            Answer(_with_errors(answer.text, draw.uniform(0.1, 0.2), draw, question.context), -1)
            for answer in question.answers
        )
        attributes = {POSITIONS: positions(question)}
        noisy.append(replace(example, content=replace(question, answers=answers), attributes=attributes))
    return noisy


def test_answers_with_errors_are_recovered(xquad: dict[str, list[Example]]) -> None:
    for language, every in xquad.items():
        examples = list(spread(every, EVERY))
        noisy = _noisy(examples, random.Random(language))
        for mode in ("train", "test"):
            done, report = transform("recover_answers", noisy, mode=mode)
            assert_offsets(done)
            found = {one.id: one.content.answers[0] for one in done}
            right = 0
            for example in examples:
                gold, got = example.content.answers[0], found.get(example.id, Answer("", -1))
                right += gold.start < got.start + len(got.text) and got.start < gold.start + len(gold.text)
            assert right / len(examples) > 0.95, (language, mode, report.counts)
