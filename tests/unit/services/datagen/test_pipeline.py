"""Pipelines: steps in order, read as a stream, twice where a step asks for it, stopped where nobody waits."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from babelscope.corpora import Example

from services.datagen.pipeline import Pipeline, Step
from services.runtime.errors import InvalidArgument

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
