"""What is known of a model before a job of it is queued."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import pytest

from services.models.catalogue import ModelFiles
from services.models.general_model import load_general
from services.models.spec import ModelSpec, Reinit
from services.runtime.errors import InvalidArgument
from services.trainer import specs
from services.trainer.alignment.adversary import Adversary
from services.trainer.alignment.stored import StoredEdit
from services.trainer.checking import Checker
from services.trainer.known import known_model
from services.trainer.training.plan import Frozen, LanguageSet
from tests.support.general_models import GENERAL, build_general


@pytest.fixture(scope="module")
def translator(tmp_path_factory: pytest.TempPathFactory) -> ModelFiles:
    """The encoder of an M2M100, called `m`."""
    folder = build_general("m2m_100", tmp_path_factory.mktemp("m2m_100") / "m", encoder_layers=2)
    return ModelFiles(aliases={"m": folder})


def _check(files: ModelFiles, language: str = "en", *, reinit: tuple[Reinit, ...] = (), **given: Any) -> None:
    model, train = ModelSpec("m", reinit=reinit), (LanguageSet(language, "datasets/x"),)
    job = specs.FineTuneJob(model=model, task="pos", train=train, **given)
    Checker(files, checkpoints=cast(Any, None))("fine_tune", job)


@pytest.mark.parametrize("family", GENERAL)
def test_layers_of_transformers_modules_are_those_that_run(family: str, tmp_path: Path) -> None:
    files = ModelFiles(aliases={"m": build_general(family, tmp_path / "m")})
    known = known_model(files.find("m"), "m")
    assert known.engine == "general"
    assert known.layers == load_general(files, files.find("m"), ModelSpec("m"), "cpu", headed=False).info.layers


def test_a_model_of_transformers_modules_is_known_but_for_shared_blocks(
    translator: ModelFiles, tiny: Callable[[str], Path]
) -> None:
    general = known_model(translator.find("m"), "m")
    assert (general.engine, general.layers, general.lowest, general.max_tokens) == ("general", 2, None, 256)
    assert general.languages is not None
    assert general.languages.names == ("deu_Latn", "eng_Latn", "zho_Hans", "zho_Hant")
    packed = known_model(ModelFiles(aliases={"m": tiny("albert")}).find("m"), "m")
    assert packed.layers == 6
    assert (packed.engine, packed.lowest, packed.languages) == ("packed", [1, 2, 1, 2, 5, 6], None)


def test_jobs_that_cannot_succeed_are_refused(translator: ModelFiles, tiny: Callable[[str], Path]) -> None:
    _check(translator)
    with pytest.raises(InvalidArgument, match=r"one of deu_Latn, .*, but got 'ja'") as caught:
        _check(translator, "ja")
    assert caught.value.field == "job.fine_tune.train[0].language"
    with pytest.raises(InvalidArgument, match=r"within \d+\.\.256 for model m, but got 257"):
        _check(translator, max_tokens=257)
    with pytest.raises(InvalidArgument, match=r"within 0\.\.4, but got 5"):
        _check(ModelFiles(aliases={"m": tiny("bert")}), frozen=Frozen(layers=5))


_TEXTS = (LanguageSet("de", "datasets/y"),)


@pytest.fixture(params=["general", "packed"])
def either(request: Any, translator: ModelFiles, tiny: Callable[[str], Path]) -> tuple[ModelFiles, int]:
    """A model, called `m`, and the number of its layers."""
    return (translator, 2) if request.param == "general" else (ModelFiles(aliases={"m": tiny("bert")}), 4)


@pytest.mark.parametrize(
    ("given", "field", "expected"),
    [
        (lambda last: {"reinit": (Reinit((1,)), Reinit((last + 1,)))}, "model.reinit[1].layers", "within 1..{}"),
        (lambda last: {"frozen": Frozen(layers=last + 1)}, "frozen.layers", "within 0..{}"),
        (lambda last: {"edits": (StoredEdit(last), StoredEdit(last + 1))}, "interventions[1].layer", "within 0..{}"),
        (
            lambda last: {"edits": (StoredEdit(0), StoredEdit(0, language="de"), StoredEdit(last + 1, language="en"))},
            "language_interventions[1].interventions[0].layer",
            "within 0..{}",
        ),
        (
            lambda last: {"adversary": Adversary(last + 1), "unlabelled": _TEXTS},
            "adversarial_alignment.layer",
            "within 0..{}",
        ),
    ],
)
def test_a_layer_that_a_model_does_not_have_is_refused(
    given: Callable[[int], dict[str, Any]], field: str, expected: str, either: tuple[ModelFiles, int]
) -> None:
    files, layers = either
    _check(files, **given(layers - 1))
    with pytest.raises(InvalidArgument, match=re.escape(expected.format(layers))) as caught:
        _check(files, **given(layers))
    assert caught.value.field == f"job.fine_tune.{field}"
