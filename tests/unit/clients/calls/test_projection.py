"""Projections as the client has them: parts in order, answers that are cut short, tokens as rows of their own."""

from typing import Any

import numpy as np
import pytest
from babelscope.calls.projection import ProjectionWork
from babelscope.calls.views import View
from babelscope.data.activations import Activations, EncodeInfo
from babelscope.data.models import ModelInfo
from babelscope.data.tensors import to_proto
from babelscope.errors import DataCorrupted, TensorError
from babelscope.v1 import metrics_pb2 as pb


def work(views: dict[str, Any] | None = None) -> ProjectionWork:
    chosen = {"en": View(activations=np.eye(3), language="en")} if views is None else views
    return ProjectionWork(chosen, {}, components=2, method="pca", seed=7)


def part(view: str, layer: int, start: int, stop: int, **fields: Any) -> pb.ProjectResponse:
    rows = np.arange(2.0 * start, 2 * stop, dtype=np.float32).reshape(-1, 2) + 100 * layer
    projection = pb.Projection(
        view=view,
        layer=layer,
        ids=[f"{view}{number}" for number in range(start, stop)],
        coordinates=to_proto(rows),
        explained_variance=[0.5, 0.25],
        signature=f"proj|{layer}",
        warnings=["few"],
    )
    projection.MergeFrom(pb.Projection(**fields))
    return pb.ProjectResponse(projection=projection)


def report(**rows: int) -> pb.ProjectResponse:
    return pb.ProjectResponse(
        report=pb.AlignmentReport(views=[pb.ViewReport(name=name, rows=count) for name, count in rows.items()])
    )


def folded(*answers: pb.ProjectResponse) -> Any:
    fold = work().fold()
    for answer in answers:
        fold.receive(answer)
    return fold.finish()


def test_parts_of_views_and_layers_come_together() -> None:
    fold = work().fold()
    told = fold.receive(pb.ProjectResponse(progress=pb.MetricsProgress(stage="project", done=1, total=2, detail="x")))
    assert told is not None
    assert (told.stage, told.done, told.total, told.detail) == ("project", 1, 2, "x")
    found = folded(
        part("en", 3, 0, 2), part("en", 3, 2, 3), part("fr", 3, 0, 1), part("en", 0, 0, 3), part("fr", 0, 0, 1),
        report(en=3, fr=1),
    )  # fmt: skip
    assert (found.layers, found.components) == ((3, 0), 2)
    assert found.coordinates["en", 3].tolist() == [[300, 301], [302, 303], [304, 305]]
    assert found.ids == {"en": ("en0", "en1", "en2"), "fr": ("fr0",)}
    assert found.explained_variance == {3: (0.5, 0.25), 0: (0.5, 0.25)}
    assert (found.signatures, found.warnings) == ({3: "proj|3", 0: "proj|0"}, {3: ("few",), 0: ("few",)})
    assert [view.rows for view in found.views] == [3, 1]
    rows = list(found.table())
    assert rows[2] == {"view": "en", "language": "en", "model": "", "layer": 3, "id": "en2", "x1": 304.0, "x2": 305.0}
    assert len(rows) == 8


@pytest.mark.parametrize(
    ("answers", "error", "words"),
    [
        ([part("en", 0, 0, 3)], DataCorrupted, "the stream ended without one"),
        ([part("en", 0, 0, 2), report(en=3)], DataCorrupted, "Expected 3 rows of view 'en' at layer 0, but got 2"),
        ([part("en", 0, 0, 3, ids=["more"]), report(en=3)], DataCorrupted, "but got 3 with 4 ids"),
        ([part("fr", 0, 0, 3), report(en=3)], DataCorrupted, "Expected None rows of view 'fr'"),
        ([part("en", 0, 0, 3, coordinates={"data": b"x"}), report(en=3)], TensorError, "projection.coordinates"),
    ],
)
def test_answers_that_are_cut_short_are_corrupted(answers: list[Any], error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        folded(*answers)


def test_tokens_are_rows_of_their_own() -> None:
    info = EncodeInfo(ModelInfo("m"), (1, 2), "token", "f32", "cpu", 8)
    given = Activations(
        ids=("a", "b", "c"),
        layers=(1, 2),
        array=np.arange(24, dtype=np.float32).reshape(6, 2, 2),
        offsets=np.array([0, 3, 3, 6]),
        tokens=np.array([3, 0, 3], np.int32),
        truncated=np.zeros(3, np.bool_),
        info=info,
    )
    for view in (given, View(activations=given, language="en")):
        first, *rows = list(work({"en": view}).requests())
        assert (first.spec.components, first.spec.method, first.spec.seed) == (2, "pca", 7)
        assert list(first.spec.views[0].layers) == [1, 2]
        assert [one for row in rows for one in row.activations.ids] == ["a#0", "a#1", "a#2", "c#0", "c#1", "c#2"]
