"""The public surface: what is exported, that it is described, and that the drawn tree of errors is the real one."""

import inspect
import re
from types import ModuleType

import babelscope
import babelscope.aio
import pytest
from babelscope import errors

PUBLIC = """
    Activations BabelscopeError Cancelled ClientConfig Comparison CorpusError DataCorrupted DeadlineExceeded EncodeInfo
    EncodeStream EncodeTotals EncodedBlock EncodedItem EncoderClient Estimate Intervention InvalidRequest LimitExceeded
    LinearMap LocalMesh Measure Mesh MeshError MetricsClient Model ModelInfo NotFound PairReport Progress Refused Reinit
    RetryPolicy RpcError ServerFault ServiceStatus Shift StoreError StudyError TLS TensorError Text Tokens Unavailable
    View ViewReport ViewUse Window connect local NoSuchService
    Answer Example Question Sentence TextPair Word DatagenClient ExampleStream Dataset
    DatasetDescription Step StepReport TransformInfo TransformOption OptionInfo MeasureInfo MapMethodInfo
    ScoreInfo FittedMap StoredMap load_map
    LayerMeans WordMeans shift Anova Correlation Difference ItemScores PredictedText Predictions Projection Scores
    Checkpoint Job JobEvent JobFigure SweepFigure SweepTask TaskInfo TrainerClient Architecture Adversary
    Separation
"""
PUBLIC_AIO = (
    "AsyncDatagenClient AsyncExampleStream AsyncEncodeStream AsyncEncoderClient AsyncMesh AsyncMetricsClient "
    "AsyncTrainerClient connect"
)


@pytest.mark.parametrize(("module", "names"), [(babelscope, PUBLIC), (babelscope.aio, PUBLIC_AIO)])
def test_these_and_no_others_are_public(module: ModuleType, names: str) -> None:
    assert sorted(module.__all__) == sorted(names.split())
    assert all(hasattr(module, name) for name in module.__all__)


@pytest.mark.parametrize(
    ("module", "name"),
    [(module, name) for module in (babelscope, babelscope.aio) for name in module.__all__],
    ids=lambda value: value if isinstance(value, str) else value.__name__,
)
def test_what_is_public_is_described(module: ModuleType, name: str) -> None:
    thing = getattr(module, name)
    assert inspect.getdoc(thing)
    for member, value in inspect.getmembers(thing):
        if not member.startswith("_") and value.__class__.__name__ in {"function", "property", "method"}:
            assert inspect.getdoc(value), f"{name}.{member} has no docstring"


@pytest.mark.parametrize(
    ("sync", "aio"),
    [
        (babelscope.EncoderClient, babelscope.aio.AsyncEncoderClient),
        (babelscope.MetricsClient, babelscope.aio.AsyncMetricsClient),
        (babelscope.DatagenClient, babelscope.aio.AsyncDatagenClient),
        (babelscope.TrainerClient, babelscope.aio.AsyncTrainerClient),
        (babelscope.Mesh, babelscope.aio.AsyncMesh),
    ],
)
def test_the_twins_are_alike(sync: type, aio: type) -> None:
    for name, method in inspect.getmembers(sync, inspect.isfunction):
        if name.startswith("_"):
            continue
        twin = inspect.signature(getattr(aio, name))
        ours = inspect.signature(method)
        assert list(ours.parameters) == list(twin.parameters), name
        defaults = [parameter.default for parameter in ours.parameters.values()]
        assert defaults == [parameter.default for parameter in twin.parameters.values()], name


def test_the_drawn_tree_is_the_real_one() -> None:
    path: list[str] = []
    drawn: dict[str, str] = {}
    for line in (errors.__doc__ or "").splitlines():
        match = re.match(r"    ([│├└─ ]*)([A-Z]\w+)", line)
        if match:
            depth = len(match[1]) // 4
            path[depth:] = [match[2]]
            drawn[match[2]] = path[depth - 1] if depth else "Exception"
    real = {
        name: kind.__base__.__name__
        for name, kind in inspect.getmembers(errors, inspect.isclass)
        if issubclass(kind, errors.BabelscopeError) and kind.__base__ is not None
    }
    assert drawn == real


def test_every_error_survives_a_copy_of_its_words() -> None:
    assert str(errors.TensorError("a.b", "wrong")) == "a.b: wrong"
    assert str(errors.MeshError("down", log_tail="line")) == "down\nline"
    assert errors.NotFound("x", nearby=["a"]).nearby == ("a",)
    assert errors.InvalidRequest("x").problem == "x"
    assert errors.Unavailable("x", retry_after=1.5).retry_after == 1.5
