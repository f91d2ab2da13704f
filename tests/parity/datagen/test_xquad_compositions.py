"""XQuAD, in each of its languages, after every transform and through compositions of them: offsets are right.

A fortieth of its questions, spread over all of it; all of them with `BABELSCOPE_WHOLE=1`, as `make soak` has it.
"""

import random
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path

import pytest
from babelscope.data.examples import Example

from services.datagen.pipeline.steps import Pipeline, Step
from services.datagen.transforms.registry import TRANSFORMS
from services.datagen.trees import parsing
from services.runtime.text.words import segment
from tests.support.datagen_corpora import assert_offsets
from tests.support.made_trees import MadeTrees
from tests.support.translating import Systems
from tests.support.whole import spread

pytestmark = [pytest.mark.shared_data, pytest.mark.slow]

EVERY = 40
LANGUAGES = ("ar", "de", "el", "en", "es", "hi", "ru", "th", "tr", "vi", "zh")
RUNNING_TEXT_ONLY = {"slice_window", "cut_subwords", "cut_streams"}
NO_EXAMPLES = {"learn_vocabulary"}
RECOVER = Step("recover_answers", {"mode": "test"})
SYSTEM = {"dictionary": "words"}

Made = Callable[[str, list[Example]], list[Step]]
STEPS: dict[str, Made] = {
    "back_translate": lambda _, __: [Step("back_translate", {**SYSTEM, "pivot": "xx"}), RECOVER],
    "code_switch": lambda _, __: [Step("code_switch", {**SYSTEM, "languages": "xx"})],
    "code_switch, drawn": lambda _, __: [
        Step("code_switch", {**SYSTEM, "languages": "xx,yy", "rule": "conneau"}),
    ],
    "deduplicate": lambda _, __: [Step("deduplicate", {"rule": "normalised"})],
    "measure_anchors": lambda _, __: [Step("measure_anchors", {})],
    "mix_domains": lambda _, __: [Step("mix_domains", {"dataset": "other", "share": "0.3"})],
    "normalise": lambda _, __: [Step("normalise", {})],
    "permute_vocabulary": lambda _, __: [Step("permute_vocabulary", {"case": "keep"})],
    "prefix_language": lambda _, __: [Step("prefix_language", {})],
    "recover_answers": lambda _, __: [RECOVER],
    "reorder": lambda _, __: [Step("reorder", {"order": "random", "parser": "made"})],
    "sample_languages": lambda _, some: [Step("sample_languages", {"total": str(len(some) * 3 // 2)})],
    "segment": lambda _, __: [Step("segment", {})],
    "split": lambda _, __: [Step("split", {"keep": "train"})],
    "subsample": lambda _, some: [Step("subsample", {"size": str(len(some) // 2)})],
    "swap_language_of": lambda _, __: [
        Step("swap_language_of", {"part": "context", "language": "xx", "dataset": "other"})
    ],
    "translate": lambda _, __: [Step("translate", {**SYSTEM, "target": "xx"}), RECOVER],
}
# Sampling after sampling, and a translation of what has no offsets yet, are left to the tests of their own.
COMPOSED = (
    "code_switch", "code_switch, drawn", "deduplicate", "normalise", "permute_vocabulary", "prefix_language",
    "recover_answers", "reorder", "sample_languages", "segment", "split", "translate",
)  # fmt: skip


@pytest.fixture(autouse=True)
def _trees(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(parsing.PARSERS, "made", MadeTrees)


@pytest.fixture(scope="module")
def systems(xquad: dict[str, list[Example]]) -> Callable[[str], Systems]:
    """Finds or makes the dictionary of a language and its second corpus."""
    return cache(lambda language: resources(spread(xquad[language], EVERY)))


def resources(examples: Sequence[Example]) -> Systems:
    """A dictionary of the corpus' most frequent words, written backwards, and a second corpus with ids of its own."""
    counts = Counter(
        example.content.context[start:end] for example in examples for start, end in segment(example.content.context)
    )
    words = [word for word, _ in counts.most_common(3000)]
    pairs = [(word, f"{word[::-1]} ~{word[0]}" if i % 5 == 0 else word[::-1]) for i, word in enumerate(words)]
    other = [replace(example, id=f"other-{example.id}") for example in examples]
    swapped = [replace(example, language="xx") for example in examples]
    return Systems(pairs={"words": pairs}, datasets={"other": [*other, *swapped]})


def run(
    language: str, examples: list[Example], names: tuple[str, ...], systems: Systems, scratch: Path
) -> list[Example]:
    steps = [step for name in names for step in STEPS[name](language, examples)]
    pipeline = Pipeline(steps, systems, 3, scratch)
    done = list(pipeline.run(iter(examples)))
    assert_offsets(done)
    return done


def test_every_transform_is_here() -> None:
    tried = {step.name for made in STEPS.values() for step in made("en", [])}
    assert tried | RUNNING_TEXT_ONLY | NO_EXAMPLES == set(TRANSFORMS)


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("name", STEPS)
def test_every_transform(
    name: str, language: str, xquad: dict[str, list[Example]], systems: Callable[[str], Systems], tmp_path: Path
) -> None:
    examples = list(spread(xquad[language], EVERY))
    done = run(language, examples, (name,), systems(language), tmp_path)
    kept = {"split": 0.6, "subsample": 0.5, "reorder": 0.2}.get(name, 0.99)
    assert len({one.id for one in done}) >= kept * len(examples) - 1
    assert sum(len(one.content.answers) for one in done) >= len(done)


@pytest.mark.parametrize("language", LANGUAGES)
def test_compositions(
    language: str, xquad: dict[str, list[Example]], systems: Callable[[str], Systems], tmp_path: Path
) -> None:
    draw = random.Random(language)
    for _ in range(2):
        names = tuple(draw.sample(COMPOSED, 4))
        done = run(language, list(spread(xquad[language], EVERY)), names, systems(language), tmp_path)
        assert done, names
        assert {one.language for one in done} <= {language, "xx"}
