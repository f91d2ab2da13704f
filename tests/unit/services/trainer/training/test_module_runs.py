"""Runs of models that transformers' own modules compute: killed, frozen, learnt by heart, loaded, and predicting."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from babelscope.data.examples import Sentence
from safetensors.torch import load_file
from torch import Tensor, nn
from transformers import AutoModel, AutoModelForMaskedLM

from services.models.catalogue import ModelFiles, load_model
from services.models.general_model import load_general
from services.models.spec import Edit, ModelSpec
from services.runtime.errors import FailedPrecondition, InvalidArgument
from services.trainer.alignment.adversary import Adversary
from services.trainer.alignment.edits import LanguageEdit
from services.trainer.evaluation.checkpoint import load_fine_tuned
from services.trainer.kept import KEPT
from services.trainer.training.events import Event, Progressed, Stopped
from services.trainer.training.fit import fit
from services.trainer.training.module import TrainableModule
from services.trainer.training.plan import FineTunePlan, Frozen, LanguageSet, Optimisation, Trained
from tests.support import fit_process
from tests.support.general_models import TRAINED
from tests.support.task_examples import SETS, direct_score, sentences

ROOT = Path(__file__).resolve().parents[5]
PLAN = FineTunePlan(
    ModelSpec("m"),
    "pos",
    train=(LanguageSet("en", "train"),),
    dev=(LanguageSet("en", "dev"),),
    optimisation=Optimisation(learning_rate=1e-3, epochs=2, step_tokens=120, accumulation=2, seed=3, dropout=0.1),
    threads=1,
)
Built = Callable[[str], ModelFiles]


class Killed(BaseException):
    """Stands for the end of the process."""


def _fit(files: ModelFiles, plan: FineTunePlan, workdir: Path, *, die_at: int = 0, dev: int = 6) -> Trained:
    def report(event: Event) -> None:
        if isinstance(event, Progressed) and event.step == die_at:
            raise Killed

    made = SETS[plan.task]
    sets = {"train": made(20), "dev": made(dev, 1)}
    return fit(
        plan, files=files, examples=sets.__getitem__, scorer=direct_score, workdir=workdir, report=report,
        checkpoint_seconds=0.0,
    )  # fmt: skip


@pytest.fixture(scope="module")
def tuned(built: Built, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Trained]:
    """Finds or makes a fine-tuned model of a family."""
    made: dict[str, Trained] = {}

    def get(family: str) -> Trained:
        if family not in made:
            made[family] = _fit(built(family), PLAN, tmp_path_factory.mktemp(family) / "run")
        return made[family]

    return get


def _changed(before: Path, after: Path) -> dict[str, bool]:
    old, new = (load_file(each / "model.safetensors") for each in (before, after))
    assert old.keys() == new.keys()
    return {name: not torch.equal(old[name], new[name]) for name in old}


@pytest.mark.parametrize("family", TRAINED)
def test_frozen_parts_keep_their_bits_and_all_others_change(family: str, built: Built, tmp_path: Path) -> None:
    files = built(family)
    frozen = Frozen(embeddings=True, layers=1, patterns=("*[nN]orm*",))
    found = _fit(files, replace(PLAN, frozen=frozen), tmp_path / "run")
    changed = _changed(files.resolve("m"), found.folder)
    model = TrainableModule.open(files.find("m"), PLAN.model)
    model.freeze(frozen)
    assert 0 < len(model.trained) < len(model.parameters)
    assert {model.layers[name] for name in model.trained} == {2}
    # Names in the files end as those of the module; those of a decoder are not of the encoder.
    inner = {name: next((own for own in model.parameters if name.endswith(own)), "") for name in changed}
    decoder = {name for name in changed if "decoder" in name}
    assert {inner[name] for name, is_new in changed.items() if is_new} == set(model.trained)
    assert not any(changed[name] for name in decoder)
    with pytest.raises(InvalidArgument, match="none matches 'nothing'"):
        model.freeze(Frozen(patterns=("nothing",)))
    with pytest.raises(InvalidArgument, match=r"within 0\.\.2, but got 3"):
        model.freeze(Frozen(layers=3))


@pytest.mark.parametrize("task", ["pos", "nli", "parsing", "qa"])
def test_examples_are_learnt_by_heart(task: str, built: Built, tmp_path: Path) -> None:
    made = LanguageSet("en", "dev")
    how = Optimisation(
        learning_rate=5e-3, head_learning_rate=5e-3, epochs=20, step_tokens=256, dropout=0.0, seed=3, patience=6
    )
    options = {"parsing": {"dropout": "0"}}.get(task, {})
    plan = replace(PLAN, task=task, train=(made,), dev=(made,), optimisation=how, options=options)
    found = _fit(built("mpnet"), plan, tmp_path / "run", dev=5)
    assert found.score is not None
    assert found.score > 95.0, found.score


def test_a_killed_run_ends_as_an_undisturbed_one_bit_for_bit(
    built: Built, tuned: Callable[[str], Trained], tmp_path: Path
) -> None:
    files, expected = built("deberta-v2"), tuned("deberta-v2")
    for die_at in (1, 3):
        with pytest.raises(Killed):
            _fit(files, PLAN, tmp_path / "killed", die_at=die_at)
    found = _fit(files, PLAN, tmp_path / "killed")
    assert found.steps == expected.steps > 3
    assert (found.step, found.score, found.figures) == (expected.step, expected.score, expected.figures)
    for name in ("model.safetensors", "head.safetensors", "task.json"):
        assert (found.folder / name).read_bytes() == (expected.folder / name).read_bytes(), name


def _far(found: dict[int, str]) -> bool:
    return max(found, default=0) >= 14


@pytest.mark.soak
def test_a_killed_process_is_gone_on_from_bit_for_bit(built: Built, tmp_path: Path) -> None:
    folder = built("mpnet").resolve("m")
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'clients'}"}
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.support.fit_process", str(folder), str(tmp_path / "killed")],
        cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdout is not None
    told = [line.split() for line, _ in zip(process.stdout, range(9), strict=False)]
    process.kill()
    process.stdout.close()
    process.wait()
    losses: dict[str, dict[int, str]] = {"killed": {}, "whole": {}}
    for name, found in losses.items():

        def report(event: Event, found: dict[int, str] = found) -> None:
            if isinstance(event, Progressed):
                found[event.step] = event.loss.hex()

        with pytest.raises(Stopped):
            fit(
                fit_process.PLAN,
                files=ModelFiles(aliases={"golden": folder}),
                examples=lambda part: sentences(60) if part == "train" else sentences(10, 1),
                scorer=direct_score,
                workdir=tmp_path / name,
                report=report,
                stop=partial(_far, found),
            )
    whole = losses["whole"]
    assert {int(step): loss for step, _, loss in told} == {step: whole[step] for step in range(1, 10)}
    assert 0 < len(losses["killed"]) < len(whole) == 14
    assert all(whole[step] == loss for step, loss in losses["killed"].items())


@pytest.mark.parametrize("family", TRAINED)
def test_transformers_and_the_server_load_what_was_trained(
    family: str, built: Built, tuned: Callable[[str], Trained]
) -> None:
    found, base = tuned(family), built(family).resolve("m")
    assert (found.provenance["engine"], json.loads((found.folder / "task.json").read_text())["training"]["engine"]) == (
        "general", "general",
    )  # fmt: skip
    files = ModelFiles(roots=[found.folder.parent])
    served = load_general(files, files.find(found.folder.name), ModelSpec(found.folder.name), "cpu")
    assert served.info.predicts_tokens is (family == "deberta-v2")
    [text] = served.tokenizer.tokenize(["the river rose"], 100)
    before, after = (_states(each, text.ids) for each in (base, found.folder))
    assert not torch.allclose(before, after, atol=1e-2)
    seen: list[Tensor] = []

    def keep(_: int, hidden_BTD: Tensor) -> Tensor:
        seen.append(hidden_BTD)
        return hidden_BTD

    given = {"input_ids": torch.from_numpy(text.ids)[None]}
    with torch.no_grad():
        served.encoder.taps.run(given, keep, 2)
    torch.testing.assert_close(seen[-1][0], after, rtol=0, atol=2e-5)
    if family == "deberta-v2":
        whole = AutoModelForMaskedLM.from_pretrained(found.folder)
        assert torch.equal(whole.get_output_embeddings().weight, whole.get_input_embeddings().weight)


def _encoder(folder: Path) -> nn.Module:
    model = AutoModel.from_pretrained(folder).train(False)
    found: nn.Module = model.get_encoder() if model.config.is_encoder_decoder else model
    return found


def _states(folder: Path, ids: np.ndarray) -> Tensor:
    """The last hidden state of a text by transformers."""
    with torch.no_grad():
        found: Tensor = _encoder(folder)(input_ids=torch.from_numpy(ids)[None]).last_hidden_state[0]
    return found


@pytest.mark.parametrize("edited", [False, True])
@pytest.mark.parametrize("family", ["deberta-v2", "mpnet"])
def test_predictions_are_those_of_a_direct_computation(
    family: str, edited: bool, tuned: Callable[[str], Trained]
) -> None:
    """Each sentence alone through transformers' model, with a shift behind the first block or without."""
    folder = tuned(family).folder
    shift = np.random.default_rng(5).normal(size=48).astype(np.float32)
    edit = LanguageEdit(Edit(1, vector=shift, alpha=3.0, vector_positions="all"))
    model = load_fine_tuned(folder, edits=(edit,) if edited else ())
    examples = sentences(10, 7)
    encoder, head = _encoder(folder), load_file(folder / "head.safetensors")
    labels, others = model.record.labels["upos"], 0

    def add(_: nn.Module, __: object, output: tuple[Tensor, ...] | Tensor) -> tuple[Tensor, ...] | Tensor:
        moved = 3.0 * torch.from_numpy(shift)
        return output + moved if isinstance(output, Tensor) else (output[0] + moved, *output[1:])

    if edited:
        encoder.get_submodule("encoder.layer.0").register_forward_hook(add)
    prepared = model.ready.prepare(examples, "en")
    for piece, said in zip(prepared.pieces, model.predict(examples), strict=True):
        with torch.no_grad():
            states = encoder(input_ids=torch.from_numpy(piece.text.ids)[None]).last_hidden_state[0]
            scores = states[piece.rows] @ head["classifier.weight"].T + head["classifier.bias"]
        assert isinstance(said.content, Sentence)
        assert [word.upos for word in said.content.words] == [labels[place] for place in scores.argmax(-1).tolist()]
    bare = load_fine_tuned(folder).predict(examples)
    others = sum(one != other for one, other in zip(bare, model.predict(examples), strict=True))
    assert (others > 0) is edited


def test_jobs_of_one_process_share_sets_and_end_as_one_alone(
    built: Built, tuned: Callable[[str], Trained], tmp_path: Path
) -> None:
    expected, seen = tuned("mpnet"), []
    try:
        for place in range(2):
            KEPT.begin(1 << 24)
            found = _fit(built("mpnet"), PLAN, tmp_path / str(place))
            assert found.lower is None
            seen.append(KEPT.held)
            for name in ("model.safetensors", "head.safetensors"):
                assert (found.folder / name).read_bytes() == (expected.folder / name).read_bytes(), name
    finally:
        KEPT.begin(0)
    assert seen[0] == seen[1] > 0


@pytest.mark.parametrize("family", ["deberta-v2", "m2m_100"])
def test_a_killed_run_with_a_discriminator_ends_as_an_undisturbed_one(
    family: str, built: Built, tmp_path: Path
) -> None:
    """Also of a model that must be told the language of each text."""
    adversary = Adversary(1, hidden_size=16, learning_rate=1e-3, steps=2)
    plan = replace(PLAN, adversary=adversary, unlabelled=(LanguageSet("de", "dev"),))
    files = built(family)
    expected = _fit(files, plan, tmp_path / "whole", dev=12)
    for die_at in (1, 3):
        with pytest.raises(Killed):
            _fit(files, plan, tmp_path / "killed", die_at=die_at, dev=12)
    found = _fit(files, plan, tmp_path / "killed", dev=12)
    for name in ("model.safetensors", "head.safetensors", "interventions.safetensors", "task.json"):
        assert (found.folder / name).read_bytes() == (expected.folder / name).read_bytes(), name
    [matrix] = [each for key, each in load_file(found.folder / "interventions.safetensors").items() if "matrix" in key]
    assert 0 < (matrix - torch.eye(len(matrix))).abs().max() < 1


def test_a_model_that_is_not_packed_is_not_joined_with_another(
    built: Built, tuned: Callable[[str], Trained], tiny: Callable[[str], Path]
) -> None:
    lower = load_model(ModelFiles(aliases={"tiny": tiny("bert")}), ModelSpec("tiny"))
    with pytest.raises(FailedPrecondition, match="not pretrained, extended or joined with another"):
        load_fine_tuned(tuned("mpnet").folder, lower=(lower, 1))
    with pytest.raises(FailedPrecondition, match="not pretrained, extended or joined with another"):
        load_model(built("mpnet"), PLAN.model)
