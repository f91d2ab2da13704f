"""Ids that repeat are found wherever the first one lies: in memory, in a run on the disk, in the same portion."""

from contextlib import closing
from pathlib import Path

import pytest

from services.datagen.datasets.distinct import Distinct
from services.runtime.errors import InvalidArgument


@pytest.mark.parametrize("first", [0, 3, 41, 98, 99])
def test_a_repeated_id_is_found(tmp_path: Path, first: int) -> None:
    with closing(Distinct(tmp_path, run=8)) as distinct:
        for number in range(100):
            distinct.add([(str(number), "en")])
        distinct.add([(str(first), "fr")])
        with pytest.raises(InvalidArgument, match=rf"examples\[{first}\]\.id.*again"):
            distinct.add([("new", "en"), (str(first), "en")])
    assert not list(tmp_path.iterdir())


def test_a_portion_that_repeats_itself(tmp_path: Path) -> None:
    with closing(Distinct(tmp_path)) as distinct, pytest.raises(InvalidArgument, match="'a'"):
        distinct.add([("a", ""), ("b", ""), ("a", "")])


def test_digests_in_memory_are_bounded(tmp_path: Path) -> None:
    with closing(Distinct(tmp_path, run=64)) as distinct:
        for start in range(0, 5000, 50):
            distinct.add([(str(number), "") for number in range(start, start + 50)])
            assert len(distinct._recent) < 64 + 50
        distinct.add([])
