"""Pipelines: steps in order, read as a stream, twice where a step asks for it, stopped where nobody waits."""

from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from babelscope.corpora import Example

from services.datagen.pipeline.steps import Pipeline, Step
from services.datagen.text import bounds
from services.runtime.errors import InvalidArgument, LimitExceeded
from tests.support.datagen_corpora import Memory

EXAMPLES = [Example(f"s{number}", f"the cat {number} sat", "en") for number in range(40)]
RESOURCES: Any = None


def pipeline(tmp_path: Path, *steps: tuple[str, dict[str, str]], seed: int = 1) -> Pipeline:
    return Pipeline([Step(name, options) for name, options in steps], RESOURCES, seed, tmp_path / "scratch")


def test_a_stream_and_a_list_give_the_same(tmp_path: Path) -> None:
    steps = [("permute_vocabulary", {}), ("split", {"keep": "train"})]
    once = list(pipeline(tmp_path, *steps).run(iter(EXAMPLES)))
    assert once == list(pipeline(tmp_path, *steps).run(EXAMPLES))
    assert once != list(pipeline(tmp_path, *steps, seed=2).run(EXAMPLES))
    assert not list((tmp_path / "scratch").glob("*"))


def test_steps_report_in_order(tmp_path: Path) -> None:
    line = pipeline(tmp_path, ("subsample", {"size": "10"}), ("deduplicate", {}))
    kept = list(line.run(iter(EXAMPLES)))
    assert [report.name for report in line.reports] == ["subsample", "deduplicate"]
    assert line.reports[0].counts["read"] == 40
    assert line.reports[1].counts["read"] == len(kept) == 10


def test_steps_with_one_transform_draw_apart(tmp_path: Path) -> None:
    """Two samplings with the same draws would be one: the second would take what the first had left at the top."""
    halves = [("subsample", {"size": "20"}), ("subsample", {"size": "10"})]
    twice = [one.id for one in pipeline(tmp_path, *halves).run(EXAMPLES)]
    once = [one.id for one in pipeline(tmp_path, ("subsample", {"size": "10"})).run(EXAMPLES)]
    kept = [one.id for one in pipeline(tmp_path, ("subsample", {"size": "20"})).run(EXAMPLES)]
    assert set(once) < set(kept)
    assert set(twice) < set(kept)
    assert twice != once
    circle = [one.content for one in pipeline(tmp_path, ("permute_vocabulary", {})).run(EXAMPLES)]
    permuted = [Example(one.id, text, "en") for one, text in zip(EXAMPLES, circle, strict=True)]
    again = [one.content for one in pipeline(tmp_path, ("permute_vocabulary", {})).run(permuted)]
    both = [one.content for one in pipeline(tmp_path, *[("permute_vocabulary", {})] * 2).run(EXAMPLES)]
    assert both != again


def test_what_a_transform_draws_does_not_depend_on_other_transforms(tmp_path: Path) -> None:
    sample = ("subsample", {"size": "10"})
    alone = [one.id for one in pipeline(tmp_path, sample).run(EXAMPLES)]
    beside = [one.id for one in pipeline(tmp_path, ("prefix_language", {}), ("split", {}), sample).run(EXAMPLES)]
    assert alone == beside


def test_neither_batching_nor_order_nor_workers_matter(tmp_path: Path) -> None:
    """Each example's result is that of its id: whole, reversed, one at a time, or in four threads at once."""
    words = {"x": [("cat", "chat"), ("cat", "matou"), ("sat", "assis"), ("the", "le"), ("the", "la")]}
    switch = {"dictionary": "x", "rule": "conneau", "probability": "0.7", "cap": "0.5"}
    steps = [
        Step("code_switch", {**switch, "languages": "fr"}),
        Step("code_switch", {**switch, "languages": "de,es", "source": "en"}),
        Step("split", {}),
    ]

    def run(examples: Iterable[Example]) -> dict[str, Example]:
        line = Pipeline(steps, Memory(words), 7, tmp_path / "scratch")
        return {one.id: one for one in line.run(examples)}

    whole = run(EXAMPLES)
    assert len({one.content for one in whole.values()}) > 20
    assert run(EXAMPLES[::-1]) == whole
    assert run(iter(EXAMPLES)) == whole
    with ThreadPoolExecutor(4) as pool:
        shares = pool.map(run, [EXAMPLES[start : start + 1] for start in range(len(EXAMPLES))])
    assert {name: one for share in shares for name, one in share.items()} == whole


def test_a_mistake_names_its_step(tmp_path: Path) -> None:
    with pytest.raises(InvalidArgument, match=r"spec\.steps\[1\]\.options\[siez\]"):
        pipeline(tmp_path, ("deduplicate", {}), ("subsample", {"siez": "1"}))


def test_a_pipeline_that_is_stopped_leaves_no_file(tmp_path: Path) -> None:
    class Gone(Exception):
        pass

    count = 0

    def check() -> None:
        nonlocal count
        count += 1
        if count > 25:
            raise Gone

    with pytest.raises(Gone):
        list(pipeline(tmp_path, ("subsample", {"size": "10"})).run(iter(EXAMPLES), check))
    assert not list((tmp_path / "scratch").glob("*"))


def test_one_that_nobody_reads_on_leaves_no_file(tmp_path: Path) -> None:
    made = pipeline(tmp_path, ("split", {})).run(iter(EXAMPLES))
    assert next(made).id == "s0"
    made.close()
    assert not list((tmp_path / "scratch").glob("*"))


def test_streaming_steps_hold_nothing(tmp_path: Path) -> None:
    read = 0

    def source() -> Iterator[Example]:
        nonlocal read
        for example in EXAMPLES:
            read += 1
            yield example

    made = pipeline(tmp_path, ("prefix_language", {})).run(source())
    next(made)
    assert read <= 2


def test_texts_that_grow_from_step_to_step_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bounds, "MOST_CHARACTERS", 100)
    [long] = pipeline(tmp_path, ("segment", {})).run([Example("a", "x,y," * 20, "en")])
    assert isinstance(long.content, str)
    assert len(long.content) > 100
    with pytest.raises(LimitExceeded, match="at most 100 characters, but one would have"):
        list(pipeline(tmp_path, ("segment", {}), ("normalise", {})).run([Example("a", "x,y," * 20, "en")]))
