"""Static vectors from end to end: what is written, what the encoder says of it, what is refused."""

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from babelscope.corpora import read_word_vectors
from babelscope.data.examples import Example, TextPair
from safetensors.torch import load_file

from services.encoder.loading import load_engine
from services.models.catalogue import ModelFiles
from services.models.spec import EncodePlan, ModelSpec, Pooling
from services.runtime.errors import FailedPrecondition, InvalidArgument
from services.trainer.pretraining.material import gather
from services.trainer.static.plan import StaticPlan
from services.trainer.static.train import train_static
from services.trainer.training.events import Event, Progressed
from services.trainer.training.fit import fit
from services.trainer.training.plan import FineTunePlan, Frozen, LanguageSet, Optimisation, Trained
from tests.support.pretraining import DATASETS, ENTRIES, SPECIALS, WORDS, plan, read
from tests.support.task_examples import direct_score

PLAN = StaticPlan(
    "glove",
    (LanguageSet("en", "en"), LanguageSet("sv", "sv")),
    "datasets/vocabulary",
    max_tokens=32,
    dimension=16,
    window=4,
    epochs=20,
    learning_rate=0.05,
    max_weight=50.0,
    batch=64,
)
KINDS = {
    "glove": PLAN,
    "skip_gram": replace(PLAN, kind="word2vec"),
    "cbow": replace(PLAN, kind="word2vec", model="cbow"),
}


def _train(chosen: StaticPlan, folder: Path, events: list[Event] | None = None, **changed: Any) -> Trained:
    data = {**DATASETS, **changed}
    report = (lambda event: None) if events is None else events.append
    return train_static(chosen, files=ModelFiles(), examples=data.__getitem__, workdir=folder, report=report)


@pytest.mark.parametrize("kind", KINDS)
def test_words_near_one_another_have_vectors_near_one_another(kind: str, tmp_path: Path) -> None:
    events: list[Event] = []
    trained = _train(KINDS[kind], tmp_path / "first", events)
    told = [event for event in events if isinstance(event, Progressed)]
    assert [event.step for event in told] == list(range(1, 21))
    vectors = load_file(trained.folder / "model.safetensors")["vectors.weight"].numpy()
    assert vectors.shape == (len(ENTRIES), 16)
    assert not vectors[: len(SPECIALS)].any()
    # Each word of these corpora is at most two from the one before.
    english = vectors[len(SPECIALS) : len(SPECIALS) + WORDS]
    unit = english - english.mean(axis=0)
    unit /= np.linalg.norm(unit, axis=1, keepdims=True)
    cosines = unit @ unit.T
    apart = np.abs(np.subtract.outer(np.arange(WORDS), np.arange(WORDS)))
    apart = np.minimum(apart, WORDS - apart)
    assert cosines[apart == 1].mean() > cosines[apart == 10].mean() + 0.3
    again = _train(KINDS[kind], tmp_path / "second")
    for path in trained.folder.iterdir():
        assert path.read_bytes() == (again.folder / path.name).read_bytes(), path.name
    other = _train(replace(KINDS[kind], seed=1), tmp_path / "third")
    assert (other.folder / "model.safetensors").read_bytes() != (trained.folder / "model.safetensors").read_bytes()


def test_the_streams_are_those_of_pretraining(tmp_path: Path) -> None:
    trained = _train(replace(PLAN, epochs=1), tmp_path / "static")
    masked = gather(plan(), files=ModelFiles(), examples=read, cache=tmp_path, report=lambda event: None, device="cpu")
    assert json.loads(trained.provenance["streams"]) == [each.counts.digest for each in masked.train]


def test_the_encoder_serves_one_layer_and_the_vec_file_says_the_same(tmp_path: Path) -> None:
    trained = _train(replace(PLAN, epochs=2), tmp_path)
    engine = load_engine(ModelFiles(aliases={"made": trained.folder}), ModelSpec("made"), threads=1)
    info = engine.info
    assert (info.family, info.layers, info.hidden_size, info.max_tokens) == ("static", 0, 16, 512)
    assert not info.predicts_tokens
    written = read_word_vectors(trained.folder / "vectors.vec")
    assert sorted(written.words) == sorted(ENTRIES[len(SPECIALS) :])
    rows = dict(zip(written.words, written.vectors, strict=True))
    texts = engine.tokenize(["en3 en7 en3", "sv1", "en1 en2 en3 en4"])
    tokens = engine.encode(texts, EncodePlan((0,), Pooling.TOKEN))
    for text, found in zip(texts, tokens, strict=True):
        for token, special, row in zip(text.ids.tolist(), text.special, found[:, 0], strict=True):
            assert row.tobytes() == (np.zeros(16, np.float32) if special else rows[ENTRIES[token]]).tobytes()
    [mean, *_] = engine.encode(texts, EncodePlan((0,)))
    assert mean[0, 0] == pytest.approx((2 * rows["en3"] + rows["en7"]) / 3, abs=1e-6)
    with pytest.raises(InvalidArgument, match=r"Expected `layers` within 0\.\.0"):
        engine.encode(texts, EncodePlan((1,)))
    engine.close()


def test_rare_tokens_have_the_mean_of_all_others_and_are_counted(tmp_path: Path) -> None:
    lines = [Example("1", "en0 en1 en0 en1 en2", "en")]
    chosen = replace(PLAN, train=PLAN.train[:1], min_count=2, epochs=1)
    trained = _train(chosen, tmp_path, en=lines)
    vectors = load_file(trained.folder / "model.safetensors")["vectors.weight"]
    assert torch.allclose(vectors[7], vectors[5:7].mean(dim=0), atol=1e-6)
    assert torch.equal(vectors[7], vectors[30])
    [warning] = trained.warnings
    assert warning.startswith("38 of 40 tokens of the vocabulary occur too seldom")
    assert len(read_word_vectors(trained.folder / "vectors.vec").words) == 2


@pytest.mark.parametrize("kind", KINDS)
def test_a_corpus_smaller_than_a_batch_and_than_the_vocabulary_is_trained_with_a_counted_warning(
    kind: str, tmp_path: Path
) -> None:
    """Five tokens against a vocabulary of forty, and a batch of more pairs than there are."""
    chosen = replace(KINDS[kind], train=PLAN.train[:1], batch=4096, epochs=2)
    trained = _train(chosen, tmp_path, en=[Example("1", "en0 en1 en0 en1 en2", "en")])
    [warning] = trained.warnings
    assert warning.startswith("37 of 40 tokens of the vocabulary occur too seldom for a vector of their own")
    vectors = load_file(trained.folder / "model.safetensors")["vectors.weight"]
    assert torch.isfinite(vectors).all()
    assert torch.allclose(vectors[8], vectors[5:8].mean(dim=0), atol=1e-6)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("texts", [[], ["", " \n"]])
def test_a_language_without_text_is_refused_by_name(kind: str, texts: list[str], tmp_path: Path) -> None:
    empty = [Example(str(place), text, "sv") for place, text in enumerate(texts)]
    with pytest.raises(FailedPrecondition, match="dataset sv: Expected text of sv in its train set, but got none"):
        _train(KINDS[kind], tmp_path, sv=empty)


@pytest.mark.parametrize("frozen", [True, False])
def test_pairs_are_classified_by_the_means_of_their_texts(frozen: bool, tmp_path: Path) -> None:
    trained = _train(PLAN, tmp_path / "static")
    rng = np.random.default_rng(0)
    firsts, same = rng.integers(WORDS, size=120).tolist(), rng.integers(2, size=120).tolist()
    seconds = [(first + (0 if each else 10)) % WORDS for first, each in zip(firsts, same, strict=True)]
    pairs = [
        Example(str(place), TextPair(f"en{first}", f"en{second}", str(each)), "en")
        for place, (first, second, each) in enumerate(zip(firsts, seconds, same, strict=True))
    ]
    how = FineTunePlan(
        ModelSpec("made"),
        "nli",
        train=(LanguageSet("en", "train"),),
        dev=(LanguageSet("en", "dev"),),
        options={"read": "means"},
        frozen=Frozen(embeddings=frozen),
        optimisation=Optimisation(learning_rate=1e-2, epochs=15, step_tokens=64, seed=1),
        threads=1,
    )
    sets = {"train": pairs[:90], "dev": pairs[90:]}
    files = ModelFiles(aliases={"made": trained.folder})
    tuned = fit(how, files=files, examples=sets.__getitem__, scorer=direct_score, workdir=tmp_path / "run")
    assert tuned.score is not None
    assert tuned.score > 90
    before, after = (load_file(folder / "model.safetensors") for folder in (trained.folder, tuned.folder))
    assert torch.equal(before["vectors.weight"], after["vectors.weight"]) is frozen


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"kind": "lsa"}, "Expected one of word2vec, glove, but got 'lsa'"),
        ({"train": ()}, "Expected at least one training set"),
        ({"vocabulary": ""}, "Expected the vocabulary whose sub-words get vectors, but got none"),
        ({"dimension": 0}, r"dimension: .*within 1\.\..*, but got 0"),
        ({"window": 0}, "window"),
        ({"max_tokens": 10_001}, r"max_tokens: .*within 6\.\.10000, but got 10001"),
        ({"exponent": 1.5}, "a number above 0 and at most 1, but got 1.5"),
    ],
)
def test_plans_that_cannot_be_carried_out_are_refused(change: dict[str, Any], problem: str, tmp_path: Path) -> None:
    with pytest.raises(InvalidArgument, match=problem):
        _train(replace(PLAN, **change), tmp_path)


@pytest.mark.parametrize(
    ("lines", "problem"),
    [
        ([], "Expected text of en in its train set, but got none"),
        ([Example("1", "[CLS] [SEP]", "en")], "Expected a token that occurs 1 times"),
        ([Example("1", "en1", "en"), Example("2", "en2", "en")], "no run has two"),
    ],
)
def test_data_without_co_occurrences_is_refused(lines: Sequence[Example], problem: str, tmp_path: Path) -> None:
    with pytest.raises(FailedPrecondition, match=problem):
        _train(replace(PLAN, train=PLAN.train[:1]), tmp_path, en=lines)
