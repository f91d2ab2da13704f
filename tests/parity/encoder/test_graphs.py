"""Models as graphs of ONNX Runtime, against transformers' own modules at every layer."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("onnxruntime", reason="the extra babelscope[onnx]")
pytest.importorskip("onnxscript", reason="the extra babelscope[onnx]")

from services.encoder.graphs.shelf import Graphs
from services.models.spec import Edit, EncodePlan, Reinit
from services.runtime.errors import InvalidArgument
from services.runtime.files.store import Store
from tests.support.encoder_pairs import Pair
from tests.support.graph_checks import check_edits, check_nothing, check_states
from tests.support.tiny_models import build_model, mixed_texts

FAMILIES = ("bert", "distilbert", "xlm-roberta")
"""All other families export as well: tests/soak/test_graph_families.py."""
_FEWER = {"bert": {"num_hidden_layers": 2}, "distilbert": {"n_layers": 2}, "xlm-roberta": {"num_hidden_layers": 2}}
"""Layers of the models: the exporter takes a second for each."""


@pytest.fixture(scope="module")
def graphs(tmp_path_factory: pytest.TempPathFactory) -> Graphs:
    return Graphs(Store(str(tmp_path_factory.mktemp("store"))), poll_seconds=0.02)


@pytest.fixture(scope="module")
def graph(tmp_path_factory: pytest.TempPathFactory, graphs: Graphs) -> Iterator[Callable[[str], Pair]]:
    """A model of a family as a graph, exported once."""
    pairs: dict[str, Pair] = {}
    with ExitStack() as stack:

        def get(family: str) -> Pair:
            if family not in pairs:
                folder = build_model(family, tmp_path_factory.mktemp(family), **_FEWER[family])
                pairs[family] = Pair.of(folder, graphs=graphs)
                stack.enter_context(closing(pairs[family].engine))
            return pairs[family]

        yield get


@pytest.mark.parametrize("family", FAMILIES)
def test_states_and_edits_equal_hooks_on_the_plain_model(graph: Callable[[str], Pair], family: str) -> None:
    ours = graph(family)
    assert (ours.engine.info.engine, ours.engine.device) == ("onnx", "cpu")
    check_states(ours)
    check_edits(ours)
    check_nothing(ours)


@pytest.mark.parametrize("family", FAMILIES)
def test_every_attention_layer_is_one_node(graph: Callable[[str], Pair], family: str) -> None:
    ours = graph(family)
    assert ours.engine._backend._session.facts.fused == ours.engine.info.layers  # type: ignore[attr-defined]


def test_the_same_weights_have_the_same_digest_and_rows_under_either_back_end(graph: Callable[[str], Pair]) -> None:
    ours = graph("bert")
    with closing(Pair.of(ours.folder).engine) as packed:
        assert packed.info.digest == ours.engine.info.digest
        assert packed.info.max_tokens == ours.engine.info.max_tokens
        plan = EncodePlan(tuple(range(ours.engine.info.layers + 1)))
        batch = ours.tokenize(mixed_texts(6, seed=5))
        for one, other in zip(packed.encode(batch, plan), ours.engine.encode(batch, plan), strict=True):
            np.testing.assert_allclose(one, other, atol=2e-5, rtol=0)


def test_drawn_layers_in_int8_are_near_and_no_more_and_leave_no_file(
    graph: Callable[[str], Pair], graphs: Graphs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ours = graph("distilbert")
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    reinit = [Reinit((2,), embeddings=True, seed=3)]
    every = tuple(range(ours.engine.info.layers + 1))
    batch = ours.tokenize(mixed_texts(12, seed=7))
    edits = (Edit(1, np.ones(40, np.float32), 0.3),)
    with (
        closing(Pair.of(ours.folder, reinit=reinit).engine) as packed,
        closing(Pair.of(ours.folder, reinit=reinit, graphs=graphs, graph="int8").engine) as narrow,
    ):
        assert not list(tmp_path.iterdir())
        assert packed.info.digest == narrow.info.digest != ours.engine.info.digest
        exact = np.concatenate(packed.encode(batch, EncodePlan(every, edits=edits)))
        rounded = np.concatenate(narrow.encode(batch, EncodePlan(every, edits=edits, dtype="int8")))
        np.testing.assert_allclose(rounded[:, 0], exact[:, 0], atol=2e-5, rtol=0)
        cosines = (rounded * exact).sum(-1) / np.linalg.norm(rounded, axis=-1) / np.linalg.norm(exact, axis=-1)
        assert 1e-7 < (1 - cosines[:, 1:]).max() < 0.1
        with pytest.raises(InvalidArgument, match="Expected float32 or int8 under backend ONNX, but got bfloat16"):
            narrow.encode(batch, EncodePlan(every, dtype="bfloat16"))


def test_edits_that_overflow_name_the_layer(graph: Callable[[str], Pair]) -> None:
    ours = graph("distilbert")
    huge = (Edit(1, matrix=np.full((40, 40), 3e38, np.float32)),)
    with pytest.raises(InvalidArgument, match="at layer 1 they are not"):
        ours.engine.encode(ours.tokenize(["the river rose"]), EncodePlan((0, 1), edits=huge))
