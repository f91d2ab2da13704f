"""A fine-tuned folder: an ordinary model for the encoder and for transformers, and predictions of its head."""

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from babelscope.data.examples import Example, Question, Sentence, TextPair
from transformers import AutoModel, AutoModelForMaskedLM

from services.models.catalogue import ModelFiles, load_model
from services.models.layers.blocks import Layout
from services.models.layers.interventions import Interventions
from services.models.layers.packing import pack
from services.models.spec import Edit, ModelSpec
from services.runtime.errors import FailedPrecondition, InvalidArgument
from services.trainer.alignment.edits import LanguageEdit
from services.trainer.evaluation.checkpoint import load_fine_tuned
from services.trainer.evaluation.forward import last_hidden_state
from services.trainer.tasks import TASKS
from services.trainer.training.fit import fit
from services.trainer.training.plan import FineTunePlan, LanguageSet, Optimisation, Trained
from tests.support.task_examples import SETS, direct_score, sentences
from tests.support.tiny_models import build_model


def _tune(files: ModelFiles, task: str, workdir: Path, **change: object) -> Trained:
    plan = FineTunePlan(
        ModelSpec("tiny"),
        task,
        train=(LanguageSet("en", "train"),),
        dev=(LanguageSet("en", "dev"),),
        optimisation=Optimisation(learning_rate=1e-3, epochs=2, step_tokens=200),
    )
    sets = {"train": SETS[task](24), "dev": SETS[task](10, 1)}
    return fit(
        replace(plan, **change),  # type: ignore[arg-type]
        files=files, examples=lambda name: sets[name], scorer=direct_score, workdir=workdir,
    )  # fmt: skip


@pytest.fixture(scope="session")
def tuned(tiny: Callable[[str], Path], tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Trained]:
    """Finds or makes a fine-tuned model of a task."""
    made: dict[str, Trained] = {}

    def get(task: str) -> Trained:
        if task not in made:
            files = ModelFiles(aliases={"tiny": tiny("bert")})
            made[task] = _tune(files, task, tmp_path_factory.mktemp(task))
        return made[task]

    return get


@pytest.mark.parametrize("family", ["bert", "roberta", "xlm-roberta", "distilbert", "modernbert", "electra"])
@pytest.mark.parametrize("head", [False, True])
def test_the_encoder_and_transformers_load_the_same_trained_model(family: str, head: bool, tmp_path: Path) -> None:
    base = build_model(family, tmp_path / "base", head=head)
    found = _tune(ModelFiles(aliases={"tiny": base}), "pos", tmp_path / "run")
    served = load_model(ModelFiles(roots=[found.folder.parent]), ModelSpec(found.folder.name))
    assert served.info.predicts_tokens is head
    assert served.info.digest != found.provenance["model_digest"]
    [text] = served.tokenizer.tokenize(["the river rose in the night"], 100)
    packed = pack([text], np.arange(1), served.positions)
    ours = last_hidden_state(served.encoder, Layout.of(packed, "cpu"), "float32", Interventions((), "cpu"))
    theirs = AutoModel.from_pretrained(found.folder).train(False)
    before = AutoModel.from_pretrained(base).train(False)
    ids = torch.from_numpy(text.ids)[None]
    with torch.no_grad():
        torch.testing.assert_close(ours[: len(text)], theirs(ids).last_hidden_state[0], atol=2e-5, rtol=0)
        assert not torch.allclose(before(ids).last_hidden_state, theirs(ids).last_hidden_state, atol=1e-2)
    for name in ("config.json", "tokenizer.json", "tokenizer_config.json"):
        assert (found.folder / name).read_bytes() == (base / name).read_bytes()
    if head:
        with torch.no_grad():
            assert AutoModelForMaskedLM.from_pretrained(found.folder)(ids).logits.isfinite().all()


def test_a_model_in_half_precision_is_saved_as_what_was_trained(tmp_path: Path) -> None:
    base = build_model("bert", tmp_path / "base")
    AutoModel.from_pretrained(base, dtype=torch.float16).save_pretrained(base)
    found = _tune(ModelFiles(aliases={"tiny": base}), "pos", tmp_path / "run")
    theirs = AutoModel.from_pretrained(found.folder)
    assert theirs.dtype == torch.float32
    assert json.loads((base / "config.json").read_text())["dtype"] == "float16"


@pytest.mark.parametrize("task", TASKS)
def test_a_checkpoint_scores_as_the_run_that_made_it(task: str, tuned: Callable[[str], Trained]) -> None:
    found = tuned(task)
    model = load_fine_tuned(found.folder)
    figures = model.ready.evaluate(SETS[task](10, 1), direct_score, language="en", dataset="dev")
    assert (figures,) == found.figures


@pytest.mark.parametrize("task", TASKS)
def test_predictions_do_not_look_at_gold_nor_depend_on_company(task: str, tuned: Callable[[str], Trained]) -> None:
    model = load_fine_tuned(tuned(task).folder)
    examples = SETS[task](12, 2)
    together = model.predict(examples)
    assert [each.id for each in together] == [each.id for each in examples]
    for example, said in zip(examples, together, strict=True):
        assert model.predict([_without_gold(example)])[0].content == said.content
    assert model.predict(examples[::-1]) == together[::-1]


def _without_gold(example: Example) -> Example:
    match example.content:
        case Sentence(words, text):
            bare = tuple(replace(word, upos="", ner="", head=None, deprel="") for word in words)
            return replace(example, content=Sentence(bare, text))
        case TextPair():
            return replace(example, content=replace(example.content, label=""))
        case Question():
            return replace(example, content=replace(example.content, answers=()))
    raise TypeError(example.content)


@pytest.mark.parametrize("task", ["pos", "ner"])
def test_words_beyond_the_limit_are_split_off_and_tagged(task: str, tuned: Callable[[str], Trained]) -> None:
    model = load_fine_tuned(tuned(task).folder, max_tokens=12)
    [said] = model.predict(sentences(1, 5, longest=60)[:1])
    assert all(getattr(word, "upos" if task == "pos" else "ner") for word in said.content.words)


def test_words_without_tokens_have_no_answer_and_count_as_errors(tuned: Callable[[str], Trained]) -> None:
    [example] = sentences(1, 5)
    words = example.content.words
    odd = replace(example, content=Sentence((replace(words[0], form="\u200b"), *words[1:]), ""))
    tags, tree = (load_fine_tuned(tuned(task).folder).predict([odd])[0].content.words for task in ("pos", "parsing"))
    assert tags[0].upos == ""
    assert all(word.upos for word in tags[1:])
    assert (tree[0].head, tree[0].deprel) == (None, "")
    assert [word.head for word in tree].count(0) == 1
    assert all(word.head != 1 for word in tree)


def test_sentences_beyond_the_limit_are_parsed_up_to_it(tuned: Callable[[str], Trained]) -> None:
    model = load_fine_tuned(tuned("parsing").folder, max_tokens=12)
    long = next(example for example in sentences(20, 5, longest=60) if len(example.content.words) > 30)
    prepared = model.ready.prepare([long])
    assert prepared.counts.cut == 1
    [said] = model.predict([long])
    heads = [word.head for word in said.content.words]
    assert 0 < sum(head is None for head in heads) == prepared.counts.lost
    assert heads.count(0) == 1


def test_what_a_reader_must_know_of_a_test_set_is_said_with_its_figures(tuned: Callable[[str], Trained]) -> None:
    long = [replace(each, id=f"long {each.id}") for each in sentences(20, 5, longest=60)]
    [first, *others] = long
    word, *words = first.content.words
    odd = replace(first, content=Sentence((replace(word, upos="X", form="\u200b"), *words), ""))
    for task, said in {
        "pos": ("1 words, labels or answers of test have no place", "No training example has these labels of test: X"),
        "parsing": ("examples of test are longer than the limit", "words, labels or answers of test have no place"),
    }.items():
        model = load_fine_tuned(tuned(task).folder, max_tokens=12)
        scored = model.ready.evaluate([odd, *others], direct_score, language="en", dataset="test")
        for part in said:
            assert any(part in warning for warning in scored.warnings), (part, scored.warnings)


def test_answers_are_cut_out_of_the_context_by_characters(tuned: Callable[[str], Trained]) -> None:
    model = load_fine_tuned(tuned("qa").folder, max_tokens=40)
    examples = SETS["qa"](6, 4, words=90)
    assert model.ready.prepare(examples).counts.split == 6
    for said in model.predict(examples):
        [answer] = said.content.answers
        assert said.content.context[answer.start : answer.start + len(answer.text)] == answer.text
        assert answer.text == answer.text.strip() != ""


def test_an_intervention_changes_predictions_and_a_shift_of_zero_none(tuned: Callable[[str], Trained]) -> None:
    folder, examples = tuned("pos").folder, sentences(20, 3)
    plain = load_fine_tuned(folder).predict(examples)
    vector = np.random.default_rng(0).normal(size=48).astype(np.float32)
    assert load_fine_tuned(folder, edits=(LanguageEdit(Edit(2, vector, 0.0)),)).predict(examples) == plain
    assert load_fine_tuned(folder, edits=(LanguageEdit(Edit(2, vector, 30.0)),)).predict(examples) != plain
    identity = LanguageEdit(Edit(4, matrix=np.eye(48, dtype=np.float32)))
    assert load_fine_tuned(folder, edits=(identity,)).predict(examples) == plain
    with pytest.raises(InvalidArgument) as caught:
        load_fine_tuned(folder, edits=(LanguageEdit(Edit(9, vector, 1.0)),))
    assert caught.value.field == "edits[0].layer"


def test_a_run_with_an_intervention_trains_through_it(files: ModelFiles, tmp_path: Path) -> None:
    matrix = np.linalg.qr(np.random.default_rng(1).normal(size=(48, 48)))[0].astype(np.float32)
    edits = (LanguageEdit(Edit(2, matrix=matrix)),)
    found = _tune(files, "pos", tmp_path, edits=edits)
    model = load_fine_tuned(found.folder)
    assert [each.digest for each in model.own] == [each.digest for each in edits]
    assert (model.ready.evaluate(SETS["pos"](10, 1), direct_score, language="en", dataset="dev"),) == found.figures


@pytest.mark.parametrize(
    ("damage", "problem"),
    [
        (lambda folder: (folder / "task.json").unlink(), "task.json"),
        (lambda folder: (folder / "task.json").write_text("[]"), "task.json"),
        (lambda folder: (folder / "task.json").write_text('{"format": 99}'), "format 1"),
        (lambda folder: (folder / "head.safetensors").unlink(), "its head does not load"),
        (lambda folder: (folder / "head.safetensors").write_bytes(b"short"), "its head does not load"),
    ],
)
def test_a_folder_without_a_whole_head_is_refused(
    damage: Callable[[Path], None], problem: str, tuned: Callable[[str], Trained], tmp_path: Path
) -> None:
    folder = tmp_path / "copy"
    shutil.copytree(tuned("pos").folder, folder)
    damage(folder)
    with pytest.raises(FailedPrecondition, match=problem):
        load_fine_tuned(folder)


def test_the_head_of_another_task_is_refused(tuned: Callable[[str], Trained], tmp_path: Path) -> None:
    folder = tmp_path / "copy"
    shutil.copytree(tuned("pos").folder, folder)
    shutil.copyfile(tuned("nli").folder / "head.safetensors", folder / "head.safetensors")
    with pytest.raises(FailedPrecondition, match="its head does not load"):
        load_fine_tuned(folder)
    with pytest.raises(InvalidArgument, match="Expected examples of kind sentence"):
        load_fine_tuned(tuned("pos").folder).predict(SETS["nli"](2))
