"""Models whose languages do not share all parts, in jobs and engines that take any model: served or refused."""

from dataclasses import replace
from pathlib import Path

import pytest
from babelscope.data.examples import Example, Sentence, Word
from babelscope.data.jobs.architecture import Separation
from safetensors.torch import load_file

from services.encoder.graphs.shelf import Graphs
from services.encoder.loading import load_engine
from services.models.catalogue import LoadedModel, ModelFiles, load_model
from services.models.general.languages import separate_languages
from services.models.spec import ModelSpec
from services.runtime.errors import FailedPrecondition, InvalidArgument
from services.runtime.files.store import Store
from services.trainer.alignment.adversary import Adversary
from services.trainer.checking import Checker
from services.trainer.evaluation.checkpoint import load_fine_tuned
from services.trainer.extension.extend import extend
from services.trainer.extension.plan import ExtendPlan
from services.trainer.jobs.checkpoints import Checkpoints
from services.trainer.jobs.database import Database
from services.trainer.pretraining.plan import PretrainPlan
from services.trainer.pretraining.pretrain import pretrain
from services.trainer.specs import FineTuneJob
from services.trainer.training.events import Event, Progressed
from services.trainer.training.fit import fit
from services.trainer.training.plan import FineTunePlan, LanguageSet, Optimisation
from tests.support.separable import DATA, separable_plan
from tests.support.task_examples import SETS, direct_score

MIDDLE = Separation(embeddings=True, layers=1, softmax=True)


def _pretrained(plan: PretrainPlan, folder: Path, files: ModelFiles | None = None) -> Path:
    made = pretrain(plan, files=files or ModelFiles(), examples=DATA.__getitem__, workdir=folder / "run", cache=folder)
    return made.folder


def _loaded(folder: Path) -> LoadedModel:
    return load_model(ModelFiles(aliases={"made": folder}), ModelSpec("made"))


@pytest.fixture(scope="module")
def middle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model with vocabularies of each language, whose last layer alone is shared."""
    return _pretrained(separable_plan(MIDDLE, "datasets/parts", max_steps=2), tmp_path_factory.mktemp("middle"))


def _in_words(content: object) -> Sentence:
    """The sentence with words that both languages have."""
    assert isinstance(content, Sentence)
    words = tuple(replace(word, form=f"en{len(word.form) % 5}") for word in content.words)
    assert all(isinstance(word, Word) for word in words)
    return Sentence(words, " ".join(word.form for word in words))


def _tagging(model: str) -> tuple[FineTunePlan, dict[str, list[Example]]]:
    """A plan of tagging in two languages, and its sets of words that both languages have."""
    made = [replace(each, content=_in_words(each.content), language="en") for each in SETS["pos"](24)]
    sets = {"en": made, "sv": [replace(each, language="sv") for each in made]}
    plan = FineTunePlan(
        ModelSpec(model),
        "pos",
        train=(LanguageSet("en", "en"), LanguageSet("swe", "sv")),
        optimisation=Optimisation(learning_rate=1e-2, max_steps=2, step_tokens=100, dropout=0.0),
        threads=1,
    )
    return plan, sets


def test_a_layer_of_a_model_with_parts_of_each_language_is_aligned(middle: Path, tmp_path: Path) -> None:
    """Each portion of a batch is of one language; the discriminator sees the rows of all of them together."""
    plan, sets = _tagging("made")
    sets["texts"] = [Example(each.id, each.content.text, "sv") for each in sets["sv"]]  # type: ignore[union-attr]
    aligned = replace(plan, adversary=Adversary(2), unlabelled=(LanguageSet("sv", "texts"),))
    files, told = ModelFiles(aliases={"made": middle}), list[dict[str, float]]()

    def report(event: Event) -> None:
        if isinstance(event, Progressed):
            told.append(dict(event.figures))

    found = fit(
        aligned, files=files, examples=sets.__getitem__, scorer=direct_score, workdir=tmp_path / "run", report=report
    )
    assert [set(each) for each in told] == [{"alignment_loss", "discriminator_accuracy"}] * 2
    before, after = (load_file(each / "model.safetensors") for each in (middle, found.folder))
    own = {name for name in before if name.startswith("languages.")}
    assert own
    assert all(before[name].equal(after[name]) for name in own)
    assert any(not before[name].equal(after[name]) for name in before.keys() - own)
    assert (found.folder / "interventions.safetensors").exists()
    finnish = replace(aligned, unlabelled=(LanguageSet("fi", "texts"),))
    with pytest.raises(InvalidArgument, match="must be told, one of en, sv, but got 'fi'") as caught:
        fit(finnish, files=files, examples=sets.__getitem__, scorer=direct_score, workdir=tmp_path / "other")
    assert caught.value.field == "dataset texts.language"
    job = FineTuneJob(ModelSpec("made"), "pos", plan.train, adversary=Adversary(2), unlabelled=finnish.unlabelled)
    checker = Checker(files, Checkpoints(Database(f"sqlite:///{tmp_path}/jobs.db")))
    with pytest.raises(InvalidArgument, match="but got 'fi'") as caught:
        checker("fine_tune", job)
    assert caught.value.field == "job.fine_tune.adversarial_alignment.unlabelled[0].language"


def test_a_model_with_parts_of_each_language_is_not_extended(middle: Path, tmp_path: Path) -> None:
    files = ModelFiles(aliases={"made": middle})
    checker = Checker(files, Checkpoints(Database(f"sqlite:///{tmp_path}/jobs.db")))
    with pytest.raises(InvalidArgument, match="has parts of en, sv") as found:
        checker("extend_model", ExtendPlan(ModelSpec("made"), "datasets/vectors"))
    assert found.value.field == "job.extend_model.model"
    with pytest.raises(InvalidArgument, match="has parts of en, sv"):
        extend(
            ExtendPlan(ModelSpec("made"), "vectors"),
            files=files,
            examples={}.__getitem__,
            read_array=lambda name, role: None,
            target=tmp_path / "extended",
        )


def test_a_set_of_a_language_that_the_model_lacks_is_refused_at_entry(middle: Path, tmp_path: Path) -> None:
    """Its job would train for hours and then fail at its test set."""
    files = ModelFiles(aliases={"made": middle})
    checker = Checker(files, Checkpoints(Database(f"sqlite:///{tmp_path}/jobs.db")))
    plan, sets = _tagging("made")
    finnish = (LanguageSet("eng", "en"), LanguageSet("fi", "fi"))
    job = FineTuneJob(ModelSpec("made"), "pos", plan.train, eval=plan.train[:1])
    checker("fine_tune", job)
    checker("fine_tune", replace(job, eval=(LanguageSet("", "mixed"),)))
    onwards = replace(separable_plan(MIDDLE), architecture=None, vocabulary="", model=ModelSpec("made"))
    for kind, wrong, field in (
        ("fine_tune", replace(job, eval=finnish), "job.fine_tune.eval[1].language"),
        ("pretrain_mlm", replace(onwards, train=(*onwards.train, finnish[1])), "job.pretrain_mlm.train[2].language"),
    ):
        with pytest.raises(InvalidArgument, match="model made must be told, one of en, sv, but got 'fi'") as found:
            checker(kind, wrong)
        assert found.value.field == field
    checker("pretrain_mlm", onwards)
    tuned = fit(plan, files=files, examples=sets.__getitem__, scorer=direct_score, workdir=tmp_path / "run")
    with pytest.raises(InvalidArgument, match="must be told") as found:
        load_fine_tuned(tuned.folder).predict([replace(sets["en"][0], language="fi")])
    assert found.value.field == "example.language"


def test_lower_layers_of_a_model_with_parts_of_each_language(middle: Path, tmp_path: Path) -> None:
    """The joint model is told the language wherever one of its parts, or its tokenizer, needs it."""
    files = ModelFiles(aliases={"made": middle})
    plan, sets = _tagging("made")
    tuned = fit(plan, files=files, examples=sets.__getitem__, scorer=direct_score, workdir=tmp_path / "run")
    given = [*sets["en"][:4], *sets["sv"][:4]]
    expected = load_fine_tuned(tuned.folder).predict(given)
    # What each language has of its own is not trained: these lower layers are those of the checkpoint.
    assert load_fine_tuned(tuned.folder, lower=(_loaded(middle), 1)).predict(given) == expected
    shared = _loaded(_pretrained(separable_plan(Separation(), max_steps=1), tmp_path / "shared"))
    for other in (shared, replace(shared, languages=None)):
        joint = load_fine_tuned(tuned.folder, lower=(other, 0))
        assert joint.model.info.languages == ("en", "sv")
        assert [each.language for each in joint.predict(given)] == ["en"] * 4 + ["sv"] * 4
    free = load_fine_tuned(tuned.folder, lower=(replace(shared, languages=None), 1))
    assert free.model.info.languages == ()
    assert len(free.predict([replace(each, language="fi") for each in given])) == 8
    finnish = replace(shared, languages=separate_languages(("en", "fi")))
    with pytest.raises(InvalidArgument, match=r"Expected a model of the languages en, sv, .* but got en, fi") as found:
        load_fine_tuned(tuned.folder, lower=(finnish, 0))
    assert found.value.field == "lower_part.model"


def test_a_vocabulary_of_each_language_is_not_taken_for_one_of_all(middle: Path, tmp_path: Path) -> None:
    plan = replace(separable_plan(MIDDLE), vocabulary="made")
    with pytest.raises(FailedPrecondition, match=r"has one of each: tokenizer\.en\.json, tokenizer\.sv\.json"):
        _pretrained(plan, tmp_path, ModelFiles(aliases={"made": middle}))


def test_a_graph_of_a_family_of_this_project_is_refused_with_the_reason(middle: Path, tmp_path: Path) -> None:
    files, graphs = ModelFiles(aliases={"made": middle}), Graphs(Store(str(tmp_path / "store")))
    with pytest.raises(FailedPrecondition, match=r"separable is a family of this project .* backend TORCH serves it"):
        load_engine(files, ModelSpec("made", graph="float32"), threads=1, graphs=graphs)
