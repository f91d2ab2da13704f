"""Which models a server serves."""

from pathlib import Path
from typing import Any

import pytest
from transformers import AutoModelForMaskedLM

from services.models.allowed import Allowed
from services.models.catalogue import ModelFiles, load_model
from services.models.spec import ModelSpec
from services.runtime.errors import FailedPrecondition, NotFound
from tests.support.tiny_models import build_model

HUB = "https://huggingface.co"


@pytest.mark.parametrize(
    ("allowed", "name", "hub", "setting"),
    [
        (Allowed(), "any/thing", HUB, ""),
        (Allowed(models=("team/*",)), "team/bert", "", ""),
        (Allowed(models=("team/*",)), "other/bert", "", "allowed_models"),
        (Allowed(models=("team/*", "checkpoints/*")), "checkpoints/abc", "", ""),
        (Allowed(models=("tiny",)), "Tiny", "", "allowed_models"),
        (Allowed(hub_models=("FacebookAI/*",)), "local", "", ""),
        (Allowed(hub_models=("FacebookAI/*",)), "FacebookAI/xlm-roberta-base", HUB, ""),
        (Allowed(hub_models=("FacebookAI/*",)), "someone/xlm", HUB, "allowed_hub_models"),
        (Allowed(hubs=("https://mirror.example/*",)), "a/b", HUB, "allowed_hubs"),
        (Allowed(hubs=("https://mirror.example*",)), "a/b", "https://mirror.example/hf", ""),
    ],
)
def test_patterns(allowed: Allowed, name: str, hub: str, setting: str) -> None:
    problem = allowed.problem(name, hub=hub)
    assert bool(problem) == bool(setting)
    assert setting in problem
    if setting:
        with pytest.raises(FailedPrecondition, match=f"model {name}: this server serves"):
            allowed.check(name, hub=hub)


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    for name in ("one", "two"):
        build_model("bert", folder / name)
    return folder


def test_a_model_that_is_not_allowed_is_listed_as_refused_and_not_found(root: Path) -> None:
    files = ModelFiles([root], allowed=Allowed(models=("one", "missing")))
    assert [(model.name, bool(model.reason)) for model in files.list()] == [("one", False), ("two", True)]
    assert files.resolve("one") == root / "one"
    with pytest.raises(FailedPrecondition, match="allowed_models"):
        files.resolve("two")
    with pytest.raises(NotFound):
        files.resolve("missing")


def test_the_hub_is_not_asked_for_what_it_may_not_give(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Any] = []
    files = ModelFiles([root], hub=True, allowed=Allowed(hub_models=("good/*",)))
    monkeypatch.setattr("services.models.files.hub.Hub.config", lambda *rest: asked.append(rest))
    with pytest.raises(FailedPrecondition, match="allowed_hub_models"):
        files.resolve("bad/model")
    assert asked == []
    assert files.resolve("one") == root / "one"


@pytest.mark.parametrize("family", ["bert", "xlm-roberta"])
def test_weights_are_measured_without_reading_them(family: str, tmp_path: Path) -> None:
    """Against the numbers of the model as it is loaded."""
    build_model(family, tmp_path / "m")
    files = ModelFiles([tmp_path])
    assert files.weight_bytes("m") == 4 * load_model(files, ModelSpec("m")).info.parameters


@pytest.mark.parametrize("family", ["bert", "roberta", "distilbert", "modernbert"])
@pytest.mark.parametrize("tied", [True, False])
def test_bytes_are_those_of_the_head_as_well(tmp_path: Path, family: str, tied: bool) -> None:
    folder = build_model(family, tmp_path / "m", head=True, tie_word_embeddings=tied)
    files = ModelFiles([tmp_path])
    parameters = dict(AutoModelForMaskedLM.from_pretrained(folder).named_parameters())
    unused = {"bert": "cls.predictions.bias", "roberta": "lm_head.bias"}.get(family)  # beside the output layer's own
    if unused and not tied:
        del parameters[unused]
    assert files.weight_bytes("m") == 4 * sum(each.numel() for each in parameters.values())
