"""The second stream of data, and runs that are aligned by it."""

from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from babelscope.data.examples import Example, Sentence, Word
from safetensors.torch import load_file

from services.models.catalogue import ModelFiles
from services.models.spec import ModelSpec
from services.models.tokens.tokenization import Tokenizer
from services.runtime.errors import FailedPrecondition, InvalidArgument
from services.trainer.alignment.adversary import Adversary
from services.trainer.alignment.unlabelled import Stream, unlabelled_pieces
from services.trainer.evaluation.checkpoint import load_fine_tuned
from services.trainer.tasks import make_task
from services.trainer.tasks.base import Cutting
from services.trainer.training.events import Event, Progressed
from services.trainer.training.fit import fit
from services.trainer.training.plan import FineTunePlan, LanguageSet, Optimisation, Trained
from tests.support.task_examples import SETS, direct_score, sentences

TEXTS = [Example(f"t{place}", f"Ein Satz mit {'sehr ' * place}vielen Wörtern.", "de") for place in range(12)]
PLAN = FineTunePlan(
    ModelSpec("tiny"),
    "pos",
    train=(LanguageSet("en", "train"),),
    dev=(LanguageSet("en", "dev"),),
    optimisation=Optimisation(learning_rate=1e-3, epochs=3, step_tokens=120, accumulation=2, seed=3, dropout=0.1),
    threads=1,
    adversary=Adversary(2, hidden_size=24, learning_rate=1e-3, steps=2),
    unlabelled=(LanguageSet("de", "texts"),),
)


@pytest.mark.parametrize("task", ["pos", "parsing", "nli", "qa"])
def test_examples_of_the_task_are_cut_as_in_training(task: str, tokenizer: Tokenizer) -> None:
    made, examples = make_task(task, {}), SETS[task](6)
    cutting = Cutting(tokenizer, 64, made.labels(examples))
    found = unlabelled_pieces(made, cutting, examples, "xx", "set")
    assert {piece.language for piece in found} == {"xx"}
    assert {piece.example for piece in found} == set(range(6))


def test_running_text_is_cut_to_the_longest_input(tokenizer: Tokenizer) -> None:
    task = make_task("pos", {})
    cutting = Cutting(tokenizer, 16, {"upos": ("NOUN",)})
    found = unlabelled_pieces(task, cutting, [*TEXTS, Example("empty", " ", "de")], "", "set")
    assert len(found) == len(TEXTS)
    assert {piece.language for piece in found} == {"de"}
    assert max(len(piece.text) for piece in found) == 16
    assert all(piece.text.special[[0, -1]].all() and not piece.text.special[1:-1].any() for piece in found)
    with pytest.raises(FailedPrecondition, match="at least one token"):
        unlabelled_pieces(task, cutting, [Example("empty", "", "de")], "", "set")
    with pytest.raises(InvalidArgument, match="Expected examples of kind sentence"):
        unlabelled_pieces(task, cutting, SETS["nli"](2), "", "set")


def test_unknown_labels_of_the_target_language_do_no_harm(tokenizer: Tokenizer) -> None:
    example = Example("a", Sentence((Word("Haus", upos="X"), Word("Hof")), "Haus Hof"), "de")
    [piece] = unlabelled_pieces(make_task("pos", {}), Cutting(tokenizer, 64, {"upos": ("NOUN",)}), [example], "", "set")
    assert piece.count == 0


def test_a_stream_sees_every_piece_once_a_pass_and_starts_anywhere(tokenizer: Tokenizer) -> None:
    pieces = unlabelled_pieces(make_task("pos", {}), Cutting(tokenizer, 64, {"upos": ("NOUN",)}), TEXTS, "", "set")
    stream = Stream(pieces, 60, seed=7)
    batches = [[piece.example for piece in stream.batch(number)] for number in range(40)]
    seen: Counter[int] = Counter()
    for batch in batches:
        seen.update(batch)
        assert max(seen.values()) - min(seen[place] for place in range(len(TEXTS))) <= 1
    sizes = [[len(piece.text) for piece in stream.batch(number)] for number in range(40)]
    assert all(sum(batch) <= 60 or len(batch) == 1 for batch in sizes)
    fresh = Stream(pieces, 60, seed=7)
    for number in (33, 2, 17):
        assert [piece.example for piece in fresh.batch(number)] == batches[number]
    assert [[piece.example for piece in Stream(pieces, 60, seed=8).batch(number)] for number in range(9)] != batches[:9]


class Killed(BaseException):
    """Stands for the end of the process."""


def _run(
    files: ModelFiles, plan: FineTunePlan, folder: Path, events: list[Event], *, die_at: int = 0, seconds: float = 0.0
) -> Trained:
    sets = {"train": sentences(24), "dev": sentences(8, 1), "texts": TEXTS}

    def report(event: Event) -> None:
        if isinstance(event, Progressed) and event.step == die_at:
            raise Killed
        events.append(event)

    return fit(
        plan,
        files=files,
        examples=sets.__getitem__,
        scorer=direct_score,
        workdir=folder,
        report=report,
        checkpoint_seconds=seconds,
    )


def test_a_killed_run_with_a_discriminator_ends_bit_for_bit(files: ModelFiles, tmp_path: Path) -> None:
    whole: list[Event] = []
    expected = _run(files, PLAN, tmp_path / "whole", whole, seconds=1e9)
    killed: list[Event] = []
    for step in (2, 3, expected.steps):
        with pytest.raises(Killed):
            _run(files, PLAN, tmp_path / "killed", killed, die_at=step)
    found = _run(files, PLAN, tmp_path / "killed", killed)

    def told(events: list[Event]) -> dict[int, tuple[float, dict[str, float]]]:
        return {each.step: (each.loss, dict(each.figures)) for each in events if isinstance(each, Progressed)}

    assert told(killed) == told(whole)
    assert set(told(whole)[1][1]) == {"alignment_loss", "discriminator_accuracy"}
    for name in ("model.safetensors", "head.safetensors", "interventions.safetensors", "task.json"):
        assert (found.folder / name).read_bytes() == (expected.folder / name).read_bytes()
    states = [
        load_file(max(each.glob("state-*")) / "moments.safetensors")
        for each in map(tmp_path.joinpath, ("whole", "killed"))
    ]
    assert any(name.startswith("objective/exp_avg/") for name in states[0])
    assert states[0].keys() == states[1].keys()
    assert all(states[0][name].equal(states[1][name]) for name in states[0])


def test_the_transform_layer_belongs_to_the_checkpoint(files: ModelFiles, tmp_path: Path) -> None:
    tuned = _run(files, PLAN, tmp_path / "aligned", [])
    model = load_fine_tuned(tuned.folder)
    [own] = model.own
    assert (own.edit.layer, own.language) == (2, "")
    assert own.edit.matrix is not None
    assert 0 < np.abs(own.edit.matrix - np.eye(48)).max() < 1
    assert (model.ready.evaluate(sentences(8, 1), direct_score, language="en", dataset="dev"),) == tuned.figures
    assert '"layer": 2' in tuned.provenance["adversary"]
    plain = _run(files, replace(PLAN, adversary=None, unlabelled=()), tmp_path / "plain", [])
    assert not (plain.folder / "interventions.safetensors").exists()
    assert (plain.folder / "model.safetensors").read_bytes() != (tuned.folder / "model.safetensors").read_bytes()
    with pytest.raises(FailedPrecondition, match="another plan, model or data"):
        _run(files, replace(PLAN, adversary=replace(PLAN.adversary, weight=2.0)), tmp_path / "aligned", [])


def test_what_does_not_fit_is_named(files: ModelFiles, tmp_path: Path) -> None:
    with pytest.raises(InvalidArgument) as caught:
        _run(files, replace(PLAN, unlabelled=()), tmp_path, [])
    assert caught.value.field == "adversary.unlabelled"
    with pytest.raises(InvalidArgument) as caught:
        _run(files, replace(PLAN, adversary=Adversary(5)), tmp_path, [])
    assert (caught.value.field, "within 0..4" in str(caught.value)) == ("adversary.layer", True)
