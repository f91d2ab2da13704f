"""Maps as the client folds and uses them, without a server."""

from typing import Any

import numpy as np
import pytest
from babelscope.calls.maps import FittedMap, MapFold, MapWork
from babelscope.calls.views import View
from babelscope.data.activations import Progress
from babelscope.errors import DataCorrupted
from babelscope.v1 import metrics_pb2, model_pb2

NAME = f"maps/{'a' * 64}.safetensors"


def pair(source: str, target: str) -> metrics_pb2.IdPair:
    return metrics_pb2.IdPair(source_id=source, target_id=target)


def part(**fields: Any) -> metrics_pb2.FitMapResponse:
    return metrics_pb2.FitMapResponse(map=metrics_pb2.FittedMap(**fields))


def fitted(**fields: Any) -> FittedMap:
    values = {"layer": 4, "source_map": NAME, "target_map": "", "trace": (1.0,), "dictionary": (), "signature": "map:x"}
    return FittedMap(**{**values, "affine": True, **fields})


def test_answers_are_folded_by_layer() -> None:
    fold = MapFold()
    told = metrics_pb2.MetricsProgress(stage="fit", done=2, total=5, detail="layer 1")
    assert fold.receive(metrics_pb2.FitMapResponse(progress=told)) == Progress("fit", 2, 5, "layer 1")
    assert fold.receive(part(layer=1, source_map=NAME, trace=[0.5, 0.75], dictionary=[pair("a", "b")])) is None
    fold.receive(part(layer=1, dictionary=[pair("c", "d"), pair("e", "f")]))
    fold.receive(part(layer=0, target_map=NAME, affine=True, warnings=["beware"], signature="map:y"))
    found = fold.finish()
    assert list(found) == [1, 0]
    assert found[1].dictionary == (("a", "b"), ("c", "d"), ("e", "f"))
    assert (found[1].source_map, found[1].target_map, found[1].trace) == (NAME, "", (0.5, 0.75))
    assert (found[0].target_map, found[0].affine, found[0].warnings) == (NAME, True, ("beware",))


def test_an_answer_without_a_map_is_no_answer() -> None:
    with pytest.raises(DataCorrupted, match="without one"):
        MapFold().finish()


def test_requests_are_the_same_as_often_as_they_are_made() -> None:
    work = MapWork(
        View(activations=np.ones((3, 2, 4)), layers=(1, 2), language="en"),
        ["un", "deux"],
        {"model": "tiny", "layers": (1, 2)},
        method="procrustes",
        seeds=[("0", "1")],
        options={"refinements": 2, "whiten": True},
        seed=7,
    )
    first, second = list(work.requests()), list(work.requests())
    assert first == second
    spec = first[0].spec
    assert (spec.source.name, spec.target.name, spec.method, spec.seed) == ("source", "target", "procrustes", 7)
    assert list(spec.source.layers) == list(spec.target.encode.layers) == [1, 2]
    assert dict(spec.options) == {"refinements": "2", "whiten": "true"}
    assert [(one.source_id, one.target_id) for one in spec.seeds] == [("0", "1")]
    assert {message.WhichOneof("message") for message in first[1:]} == {"texts", "activations"}


def test_an_affine_map_is_an_intervention_with_its_bias() -> None:
    proto = fitted().intervention().to_proto()
    assert proto.layer == 4
    assert proto.linear_map.matrix.artifact == proto.linear_map.bias.artifact == NAME
    elsewhere = fitted().intervention(2, matrix_only=True, positions="non_special").to_proto()
    assert elsewhere.layer == 2
    assert not elsewhere.linear_map.HasField("bias")
    assert elsewhere.linear_map.positions == model_pb2.POSITIONS_NON_SPECIAL


def test_a_map_that_divides_rows_by_their_norms_is_none_unless_that_is_said() -> None:
    with pytest.raises(ValueError, match=r"matrix_only=True.*map:x"):
        fitted(affine=False).intervention()
    assert fitted(affine=False).intervention(matrix_only=True).to_proto().linear_map.matrix.artifact == NAME
