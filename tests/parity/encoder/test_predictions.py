"""Predicted tokens equal those of transformers' own masked-language models."""

from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file, save_file
from transformers import AutoModel, AutoModelForMaskedLM

from services.encoder.backends import decoding
from services.encoder.engine import Engine
from services.encoder.loading import load_engine
from services.models.catalogue import ModelFiles
from services.models.spec import Edit, EncodePlan, Pooling, Prediction, PredictPlan, Reinit, TokenizedText
from services.models.spec import ModelSpec as Spec
from services.runtime.errors import FailedPrecondition, InvalidArgument
from tests.support.tiny_models import CONFIGURATIONS, build_model, mixed_texts

TOLERANCE = 1e-4
WEIGHTS = "model.safetensors"

VARIANTS: dict[str, dict[str, Any]] = {
    **{name: {} for name in CONFIGURATIONS},
    **{f"{name}-untied": {"tie_word_embeddings": False} for name in CONFIGURATIONS},
    "modernbert-bare": {"decoder_bias": False, "norm_bias": False, "classifier_bias": True},
}
"""Every family with and without an output layer of its own, and ModernBERT with other biases."""

Engines = Callable[[str], tuple[Engine, Any]]


def _open(folder: Path, *reinit: Reinit) -> Engine:
    return load_engine(ModelFiles(aliases={"model": folder}), Spec("model", reinit=reinit), threads=2)


def _plain(folder: Path) -> Any:
    return AutoModelForMaskedLM.from_pretrained(folder, dtype=torch.float32).eval()


@pytest.fixture(scope="module", params=VARIANTS)
def folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    name = request.param
    return build_model(
        name.split("-untied")[0].split("-bare")[0], tmp_path_factory.mktemp(name), head=True, seed=5, **VARIANTS[name]
    )


@pytest.fixture(scope="module")
def engine(folder: Path) -> Iterator[Engine]:
    with closing(_open(folder)) as opened:
        yield opened


@pytest.fixture(scope="module")
def bert(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    with closing(_open(build_model("bert", tmp_path_factory.mktemp("bert"), head=True, seed=5))) as opened:
        yield opened


def _expected(plain: Any, text: TokenizedText) -> NDArray[np.float64]:
    """Log-probabilities of all tokens, [T, V], of the logits that transformers gives."""
    with torch.no_grad():
        logits = plain(input_ids=torch.from_numpy(text.ids)[None]).logits[0]
    return np.asarray(torch.log_softmax(logits.double(), dim=-1))


def _last(engine: Engine, top_k: int = 1) -> PredictPlan:
    return PredictPlan(((),), (engine.info.layers,), top_k)


def test_the_best_tokens_are_those_of_transformers(folder: Path, engine: Engine) -> None:
    assert engine.info.predicts_tokens
    plain, batch = _plain(folder), engine.tokenize(mixed_texts(12, seed=21))
    for text, found in zip(batch, engine.predict(batch, _last(engine, 7)), strict=True):
        expected = _expected(plain, text)
        assert found.token_ids.shape == found.log_probabilities.shape == (len(text), 1, 1, 7)
        ids, scores = found.token_ids[:, 0, 0], found.log_probabilities[:, 0, 0]
        assert np.array_equal(ids[:, 0], expected.argmax(axis=-1))
        np.testing.assert_allclose(scores, -np.sort(-expected, axis=-1)[:, :7], atol=TOLERANCE, rtol=0)
        np.testing.assert_allclose(np.take_along_axis(expected, ids.astype(int), 1), scores, atol=TOLERANCE, rtol=0)


def test_the_logit_lens_is_the_head_over_each_layer(folder: Path, engine: Engine) -> None:
    plain, batch = _plain(folder), engine.tokenize(mixed_texts(3, seed=22))
    layers = (engine.info.layers, 0, 1)
    states = engine.encode(batch, EncodePlan(layers, Pooling.TOKEN))
    for rows, found in zip(states, engine.predict(batch, PredictPlan(((),), layers, 2)), strict=True):
        for column in range(len(layers)):
            with torch.no_grad():
                logits = _apply_head(plain, torch.from_numpy(np.array(rows[:, column])))
            expected = torch.log_softmax(logits, dim=-1).topk(2)
            assert np.array_equal(found.token_ids[:, 0, column], expected.indices)
            np.testing.assert_allclose(found.log_probabilities[:, 0, column], expected.values, atol=TOLERANCE, rtol=0)


def _apply_head(plain: Any, rows: torch.Tensor) -> torch.Tensor:
    """transformers' own head."""
    match plain.config.model_type:
        case "albert":
            return plain.predictions(rows)
        case "bert" | "rembert":
            return plain.cls(rows)
        case "distilbert":
            return plain.vocab_projector(plain.vocab_layer_norm(plain.activation(plain.vocab_transform(rows))))
        case "electra":
            return plain.generator_lm_head(plain.generator_predictions(rows))
        case "modernbert":
            return plain.decoder(plain.head(rows))
    return plain.lm_head(rows)


def test_the_best_tokens_alone_are_those_with_scores(folder: Path, engine: Engine) -> None:
    batch = engine.tokenize(mixed_texts(12, seed=21))
    layers = (engine.info.layers, 0)
    whole = engine.predict(batch, PredictPlan(((),), layers))
    for found, each in zip(engine.predict(batch, PredictPlan(((),), layers, scores=False)), whole, strict=True):
        assert np.array_equal(found.token_ids, each.token_ids)
        assert found.log_probabilities.shape == (*each.token_ids.shape[:-1], 0)


def test_settings_together_are_settings_alone(folder: Path, engine: Engine) -> None:
    rng = np.random.default_rng(3)
    last, size = engine.info.layers, engine.info.hidden_size
    vectors = rng.normal(size=(3, size)).astype(np.float32)
    matrix = np.asarray(np.eye(size) + 0.1 * rng.normal(size=(size, size)), dtype=np.float32)
    settings = (
        (),
        *((Edit(layer, vectors[0], alpha),) for layer in range(last + 1) for alpha in (0.0, 0.5, -1.0)),
        (Edit(1, vectors[1], 0.5), Edit(2, vectors[2], 1.0)),
        (Edit(2, vectors[2], 1.0), Edit(1, vectors[1], 0.5)),
        (Edit(1, vectors[1], 0.5), Edit(2, matrix=matrix)),
        (Edit(0, matrix=matrix), Edit(0, vectors[0], 1.0)),
        (Edit(0, vectors[0], 1.0), Edit(0, matrix=matrix)),
    )
    batch = engine.tokenize(mixed_texts(4, seed=23))
    together = engine.predict(batch, PredictPlan(settings, (last, 1), 3))
    for place, edits in enumerate(settings):
        for one, all_of_them in zip(engine.predict(batch, PredictPlan((edits,), (last, 1), 3)), together, strict=True):
            np.testing.assert_array_equal(one.token_ids[:, 0], all_of_them.token_ids[:, place])
            np.testing.assert_array_equal(one.log_probabilities[:, 0], all_of_them.log_probabilities[:, place])
    plain, shifted = together[0].log_probabilities[:, 0], together[0].log_probabilities[:, 2 + 3 * last]
    assert np.array_equal(plain, together[0].log_probabilities[:, 1])
    assert not np.allclose(plain, shifted)


def test_blocks_below_the_lowest_edit_run_once(bert: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    backend: Any = bert._backend
    calls: list[int] = []
    block = type(backend._encoder.blocks[0])
    plain_call = block.__call__

    def counted(self: Any, *arguments: Any) -> Any:
        calls.append([one is self for one in backend._encoder.blocks].index(True) + 1)
        return plain_call(self, *arguments)

    monkeypatch.setattr(block, "__call__", counted)
    vector = np.ones(bert.info.hidden_size, np.float32)
    settings = tuple((Edit(layer, vector, alpha),) for layer in (2, 3) for alpha in (1.0, 2.0, 3.0))
    bert.predict(bert.tokenize(["the river rose"]), PredictPlan(settings, (bert.info.layers,)))
    # Of four blocks: the first two once; the third for three shifts at 2 and once for those at 3; the fourth for all.
    assert [calls.count(layer) for layer in (1, 2, 3, 4)] == [1, 1, 4, 6]


def test_little_room_for_logits_changes_nothing(bert: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    batch = bert.tokenize(mixed_texts(20, seed=24))
    before = bert.predict(batch, _last(bert, 4))
    assert decoding.rows_at_once(120_000) == 64
    monkeypatch.setattr(decoding, "LOGIT_BYTES", 1)
    assert decoding.rows_at_once(bert.info.vocabulary_size) == 16
    for one, other in zip(before, bert.predict(batch, _last(bert, 4)), strict=True):
        np.testing.assert_array_equal(one.token_ids, other.token_ids)
        np.testing.assert_allclose(one.log_probabilities, other.log_probabilities, atol=1e-5)


def test_of_equal_tokens_the_lowest_comes_first(tmp_path: Path) -> None:
    folder = build_model("bert", tmp_path / "bert", head=True, seed=5)
    tensors = load_file(folder / WEIGHTS)
    for name in ("cls.predictions.bias", "bert.embeddings.word_embeddings.weight"):
        tensors[name][200:] = tensors[name][:200]
    save_file(tensors, folder / WEIGHTS, metadata={"format": "pt"})
    with closing(_open(folder)) as engine:
        found = engine.predict(engine.tokenize(mixed_texts(5, seed=25)), _last(engine, 4))
        best = engine.predict(engine.tokenize(mixed_texts(5, seed=25)), _last(engine, 1))
    for one, alone in zip(found, best, strict=True):
        ids = one.token_ids[:, 0, 0]
        assert (ids[:, 1] == ids[:, 0] + 200).all()
        assert (ids[:, 3] == ids[:, 2] + 200).all()
        assert np.array_equal(alone.token_ids[:, 0, 0, 0], ids[:, 0])


def test_bfloat16_stays_near(bert: Engine) -> None:
    batch = bert.tokenize(mixed_texts(20, seed=26))
    exact = bert.predict(batch, _last(bert))
    rough = bert.predict(batch, PredictPlan(((),), (bert.info.layers,), dtype="bfloat16"))
    ids = [np.concatenate([one.token_ids.ravel() for one in found]) for found in (exact, rough)]
    assert (ids[0] == ids[1]).mean() > 0.9


def test_tied_heads_follow_redrawn_embeddings(tmp_path: Path) -> None:
    draw = Reinit(embeddings=True, seed=3)
    for tied in (True, False):
        folder = build_model("bert", tmp_path / f"bert-{tied}", head=True, seed=5, tie_word_embeddings=tied)
        with closing(_open(folder, draw)) as engine:
            backend: Any = engine._backend
            word = backend._encoder.embeddings.word
            plain, text = _plain(folder), engine.tokenize(["the river rose in the night"])[0]
            with torch.no_grad():
                plain.bert.embeddings.word_embeddings.weight.copy_(word)
                for name in ("position_embeddings", "token_type_embeddings"):
                    table = getattr(plain.bert.embeddings, name).weight
                    table.copy_(getattr(backend._encoder.embeddings, name.split("_")[0].replace("token", "segment")))
                plain.bert.embeddings.LayerNorm.weight.fill_(1.0)
                plain.bert.embeddings.LayerNorm.bias.zero_()
            [found] = engine.predict([text], _last(engine))
        expected = _expected(plain, text)
        assert np.array_equal(found.token_ids[:, 0, 0, 0], expected.argmax(-1))
        np.testing.assert_allclose(found.log_probabilities[:, 0, 0, 0], expected.max(-1), atol=TOLERANCE, rtol=0)


def test_an_output_layer_that_differs_is_believed_more_than_the_configuration(tmp_path: Path) -> None:
    folder = build_model("bert", tmp_path / "bert", head=True, seed=5)
    tensors = load_file(folder / WEIGHTS)
    tensors["cls.predictions.decoder.weight"] = tensors["bert.embeddings.word_embeddings.weight"].flip(0).contiguous()
    save_file(tensors, folder / WEIGHTS, metadata={"format": "pt"})
    with closing(_open(folder)) as engine:
        [text] = engine.tokenize(["the river rose in the night"])
        [found] = engine.predict([text], _last(engine))
    assert np.array_equal(found.token_ids[:, 0, 0, 0], _expected(_plain(folder), text).argmax(-1))


def _drop(folder: Path, name: str) -> None:
    tensors = load_file(folder / WEIGHTS)
    del tensors[name]
    save_file(tensors, folder / WEIGHTS, metadata={"format": "pt"})


def _refusal(folder: Path) -> str:
    with closing(_open(folder)) as engine:
        assert not engine.info.predicts_tokens
        with pytest.raises(FailedPrecondition) as caught:
            engine.predict(engine.tokenize(["a"]), PredictPlan(((),), (1,)))
    return caught.value.reason


@pytest.mark.parametrize("family", CONFIGURATIONS)
def test_models_without_a_head_are_refused(family: str, tmp_path: Path) -> None:
    assert "it predicts no tokens, as its checkpoint has no masked-language-model head" in _refusal(
        build_model(family, tmp_path / family)
    )


def test_other_heads_are_named(tmp_path: Path) -> None:
    from transformers import ElectraForPreTraining, ModernBertForSequenceClassification

    for kind, family, said in (
        (ElectraForPreTraining, "electra", "ELECTRA discriminator, which tells replaced tokens from others"),
        (ModernBertForSequenceClassification, "modernbert", "its head is that of a classifier"),
    ):
        folder = build_model(family, tmp_path / family)
        kind(AutoModel.from_pretrained(folder).config).save_pretrained(folder)
        assert said in _refusal(folder)


def test_heads_that_are_not_whole_are_refused_and_the_encoder_served(tmp_path: Path) -> None:
    folder = build_model("bert", tmp_path / "bert", head=True)
    _drop(folder, "cls.predictions.bias")
    assert "lacks the tensor cls.predictions.bias" in _refusal(folder)
    untied = build_model("bert", tmp_path / "untied", head=True, tie_word_embeddings=False)
    _drop(untied, "cls.predictions.decoder.weight")
    assert "lacks the tensor cls.predictions.decoder.weight" in _refusal(untied)
    tensors = load_file(folder / WEIGHTS)
    tensors["cls.predictions.bias"] = torch.zeros(7)
    save_file(tensors, folder / WEIGHTS, metadata={"format": "pt"})
    assert "its tensor cls.predictions.bias has shape [7], where config.json asks [400]" in _refusal(folder)


def test_plans_that_do_not_fit_are_refused(bert: Engine) -> None:
    batch = bert.tokenize(["the river rose"])
    vector = np.zeros(3, np.float32)
    for plan, field in (
        (PredictPlan(((),), (5,)), "spec.encode.layers[0]"),
        (PredictPlan(((),), (4,), top_k=401), "spec.top_k"),
        (PredictPlan(((), (Edit(1, vector, 1.0),)), (4,)), "spec.settings[1].interventions[0].shift.vector"),
    ):
        with pytest.raises(InvalidArgument) as caught:
            bert.predict(batch, plan)
        assert caught.value.field == field
    assert bert.predict([], _last(bert)) == []


def test_edits_that_are_not_finite_are_blamed(bert: Engine) -> None:
    huge = Edit(3, np.full(bert.info.hidden_size, 3e38, np.float32), 1.0, matrix=4 * np.eye(48, dtype=np.float32))
    with pytest.raises(InvalidArgument, match="Expected edits that keep hidden states finite"):
        bert.predict(bert.tokenize(["the river rose"]), PredictPlan(((huge,),), (4,)))


def _same(one: Prediction, other: Prediction) -> None:
    np.testing.assert_array_equal(one.token_ids, other.token_ids)
    np.testing.assert_allclose(one.log_probabilities, other.log_probabilities, atol=1e-5)


def test_predictions_do_not_depend_on_the_batch(engine: Engine) -> None:
    batch = engine.tokenize(mixed_texts(30, seed=27))
    together = engine.predict(batch, _last(engine))
    for place in (0, 7, 29):
        [alone] = engine.predict([batch[place]], _last(engine))
        _same(alone, together[place])
