"""Task layers of one model on the lower layers of another."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from services.models.catalogue import ModelFiles, load_model
from services.models.spec import Edit, ModelSpec
from services.runtime.errors import InvalidArgument
from services.trainer.alignment.edits import LanguageEdit
from services.trainer.evaluation.checkpoint import load_fine_tuned
from services.trainer.evaluation.forward import PackedForward
from services.trainer.training.fit import fit
from services.trainer.training.plan import FineTunePlan, Frozen, LanguageSet, Optimisation
from tests.support.task_examples import direct_score, sentences
from tests.support.tiny_models import build_model


def test_lower_layers_of_another_model_are_mapped_below_the_task_layers(
    files: ModelFiles, tiny: Callable[[str], Path], tmp_path: Path
) -> None:
    """The other model is the first one, rotated: with the map back at layer i, the answers are those of the first."""
    plan = FineTunePlan(
        ModelSpec("tiny"),
        "pos",
        (LanguageSet("en", "x"),),
        frozen=Frozen(embeddings=True, layers=2),
        optimisation=Optimisation(learning_rate=1e-2, max_steps=8, step_tokens=200),
        threads=1,
    )
    tuned = fit(plan, files=files, examples=lambda _: sentences(30), scorer=direct_score, workdir=tmp_path / "run")
    source = load_model(files, ModelSpec("tiny"))
    examples = sentences(20, 4)
    expected = load_fine_tuned(tuned.folder).predict(examples)
    # The layers below are those of the model that the checkpoint was trained from.
    same = load_fine_tuned(tuned.folder, lower=(source, 2))
    assert same.predict(examples) == expected
    shift = np.linspace(-3, 3, 48).astype(np.float32)
    # In this direction nearly all answers change; in the other they become the most frequent one, which most are.
    away, back = (LanguageEdit(Edit(2, vector=shift, alpha=alpha, vector_positions="all")) for alpha in (-1.0, 1.0))
    assert load_fine_tuned(tuned.folder, edits=(away,), lower=(source, 2)).predict(examples) != expected
    assert load_fine_tuned(tuned.folder, edits=(away, back), lower=(source, 2)).predict(examples) == expected
    other = load_model(ModelFiles(aliases={"m": build_model("bert", tmp_path / "m", seed=5)}), ModelSpec("m"))
    found = load_fine_tuned(tuned.folder, lower=(other, 2))
    assert found.predict(examples) != expected
    assert found.model.tokenizer is other.tokenizer
    forward = found.predictor.forward
    assert isinstance(forward, PackedForward)
    assert forward.encoder.blocks[:2] == other.encoder.blocks[:2]
    assert found.model.info.digest != same.model.info.digest
    wide = load_model(ModelFiles(aliases={"m": tiny("distilbert")}), ModelSpec("m"))
    for lower, field in (((wide, 2), "lower_part.model"), ((source, 5), "lower_part.layer")):
        with pytest.raises(InvalidArgument) as caught:
            load_fine_tuned(tuned.folder, lower=lower)
        assert caught.value.field == field
    short = replace(other, info=replace(other.info, max_tokens=20))
    assert load_fine_tuned(tuned.folder, lower=(short, 1)).max_tokens == 20
