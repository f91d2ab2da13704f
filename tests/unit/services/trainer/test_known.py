"""What is known of a model before a job of it is queued."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import pytest

from services.models.catalogue import ModelFiles
from services.models.spec import ModelSpec
from services.runtime.errors import InvalidArgument
from services.trainer import specs
from services.trainer.checking import Checker
from services.trainer.known import known_model
from services.trainer.training.plan import Frozen, LanguageSet
from tests.support.general_models import build_general


@pytest.fixture(scope="module")
def translator(tmp_path_factory: pytest.TempPathFactory) -> ModelFiles:
    """The encoder of an M2M100, called `m`."""
    folder = build_general("m2m_100", tmp_path_factory.mktemp("m2m_100") / "m", encoder_layers=2)
    return ModelFiles(aliases={"m": folder})


def _check(files: ModelFiles, language: str = "en", **given: Any) -> None:
    job = specs.FineTuneJob(model=ModelSpec("m"), task="pos", train=(LanguageSet(language, "datasets/x"),), **given)
    Checker(files, checkpoints=cast(Any, None))("fine_tune", job)


def test_a_model_of_transformers_modules_is_known_but_for_its_layers(
    translator: ModelFiles, tiny: Callable[[str], Path]
) -> None:
    general = known_model(translator.find("m"), "m")
    assert (general.engine, general.lowest, general.max_tokens) == ("general", None, 256)
    assert general.languages is not None
    assert general.languages.names == ("deu_Latn", "eng_Latn", "zho_Hans", "zho_Hant")
    packed = known_model(ModelFiles(aliases={"m": tiny("albert")}).find("m"), "m")
    assert (packed.engine, packed.lowest, packed.languages) == ("packed", [1, 2, 1, 2, 5, 6], None)


def test_jobs_that_cannot_succeed_are_refused(translator: ModelFiles, tiny: Callable[[str], Path]) -> None:
    _check(translator)
    _check(translator, frozen=Frozen(layers=3))  # which its job finds out
    with pytest.raises(InvalidArgument, match=r"one of deu_Latn, .*, but got 'ja'") as caught:
        _check(translator, "ja")
    assert caught.value.field == "job.fine_tune.train[0].language"
    with pytest.raises(InvalidArgument, match=r"within \d+\.\.256 for model m, but got 257"):
        _check(translator, max_tokens=257)
    with pytest.raises(InvalidArgument, match=r"within 0\.\.4, but got 5"):
        _check(ModelFiles(aliases={"m": tiny("bert")}), frozen=Frozen(layers=5))
