"""Every family as a graph of ONNX Runtime, at the full depth of the tests' models."""

from contextlib import closing
from pathlib import Path

import pytest

from services.encoder.graphs.shelf import Graphs
from services.runtime.files.store import Store
from tests.support.encoder_pairs import Pair
from tests.support.general_models import GENERAL, build_general
from tests.support.graph_checks import check_edits, check_nothing, check_states
from tests.support.tiny_models import CONFIGURATIONS, build_model

pytestmark = pytest.mark.soak

UNFUSED = ("deberta-v2", "mpnet", "xlm")
"""Families whose attention no rule of the fusion knows; they are as right, and no slower for it than the others."""


@pytest.mark.parametrize("family", [*CONFIGURATIONS, *GENERAL])
def test_states_and_edits_equal_hooks_on_the_plain_model(family: str, tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime", reason="the extra babelscope[onnx]")
    build = build_general if family in GENERAL else build_model
    places = GENERAL[family].places if family in GENERAL else None
    graphs = Graphs(Store(str(tmp_path / "store")))
    ours = Pair.of(build(family, tmp_path / family), places=places, graphs=graphs)
    with closing(ours.engine):
        check_states(ours)
        check_edits(ours)
        check_nothing(ours)
        fused = ours.engine._backend._session.facts.fused  # type: ignore[attr-defined]
        assert fused == (0 if family in UNFUSED else ours.engine.info.layers)
