"""Folders of models without a packed path: what loads, what clients are told, and what is refused."""

import json
from pathlib import Path

import numpy as np
import pytest
from safetensors.torch import load_file, save_file
from transformers import AutoConfig

from services.encoder.engine import Engine
from services.encoder.loading import load_engine
from services.models.catalogue import ModelFiles
from services.models.general.modules import longest_input, outline
from services.models.spec import Edit, EncodePlan, ModelSpec, Pooling
from services.runtime.errors import FailedPrecondition, InvalidArgument
from tests.support.general_models import build_general
from tests.support.tiny_models import mixed_texts


def _engine(folder: Path) -> Engine:
    return load_engine(ModelFiles(aliases={"m": folder}), ModelSpec("m"), threads=1)


def _configure(folder: Path, **settings: object) -> None:
    path = folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text("utf-8")) | settings), "utf-8")


def test_what_is_known_of_a_loaded_model(tmp_path: Path) -> None:
    engine = _engine(build_general("mbart", tmp_path))
    info = engine.info
    assert (info.engine, info.family, info.layers, info.hidden_size, info.heads) == ("general", "mbart", 3, 48, 3)
    assert info.languages == ("en_XX", "fr_XX", "zh_CN")
    assert info.max_tokens == 256
    assert len(info.digest) == 64
    engine.close()


def test_a_text_without_a_language_is_refused_where_the_model_must_be_told(tmp_path: Path) -> None:
    engine = _engine(build_general("xmod", tmp_path))
    with pytest.raises(InvalidArgument, match="one of en_XX, sw_KE, but got none") as caught:
        engine.tokenize(["a", "b"], languages=["en", ""], field="texts.texts", offset=10)
    assert caught.value.field == "texts.texts[11].language"
    one, other = engine.tokenize(["the river", "the river"], languages=["en", "sw"])
    plan = EncodePlan((4,))
    together = engine.encode([one, other], plan)
    assert np.abs(together[0] - together[1]).max() > 1e-3
    for alone, both in zip(([one], [other]), together, strict=True):
        np.testing.assert_allclose(engine.encode(alone, plan)[0], both, atol=1e-5)
    engine.close()


@pytest.mark.parametrize("family", ["albert", "deberta-v2", "mt5", "xlm"])
def test_the_identity_changes_no_bit(family: str, tmp_path: Path) -> None:
    engine = _engine(build_general(family, tmp_path))
    batch = engine.tokenize(mixed_texts(12, seed=2), languages=["en"] * 12)
    layers = tuple(range(engine.info.layers + 1))
    edits = tuple(Edit(layer, matrix=np.eye(48, dtype=np.float32)) for layer in layers)
    plain = engine.encode(batch, EncodePlan(layers, Pooling.TOKEN))
    for one, other in zip(plain, engine.encode(batch, EncodePlan(layers, Pooling.TOKEN, edits)), strict=True):
        assert one.tobytes() == other.tobytes()
    engine.close()


def test_texts_of_other_lengths_do_not_share_a_batch_where_padding_is_seen(tmp_path: Path) -> None:
    engine = _engine(build_general("rembert", tmp_path / "padded"))
    assert engine._backend._encoder.base.padded  # type: ignore[attr-defined]
    engine.close()
    config = AutoConfig.for_model(
        "fnet", vocab_size=400, hidden_size=48, intermediate_size=80, num_hidden_layers=2, max_position_embeddings=64
    )
    folder = build_general("rembert", tmp_path / "fnet")
    from transformers import AutoModel

    AutoModel.from_config(config).save_pretrained(folder)
    fourier = _engine(folder)
    assert not fourier._backend._encoder.base.padded  # type: ignore[attr-defined]
    batch = fourier.tokenize(["the river", "the river rose in the night", "a"])
    plan = EncodePlan((0, 1, 2), Pooling.TOKEN)
    for text, together in zip(batch, fourier.encode(batch, plan), strict=True):
        np.testing.assert_array_equal(fourier.encode([text], plan)[0], together)
    fourier.close()


def test_code_that_a_configuration_names_is_not_run_where_transformers_has_its_own(tmp_path: Path) -> None:
    folder = build_general("eurobert", tmp_path)
    _configure(folder, auto_map={"AutoModel": "modeling_evil.Evil"})
    (folder / "modeling_evil.py").write_text("raise SystemExit('run')")
    _engine(folder).close()


def test_missing_tensors_are_named(tmp_path: Path) -> None:
    folder = build_general("rembert", tmp_path)
    path = folder / "model.safetensors"
    tensors = load_file(path)
    name = "encoder.layer.1.output.dense.weight"
    save_file({key: value for key, value in tensors.items() if key != name}, path, {"format": "pt"})
    with pytest.raises(FailedPrecondition, match=rf"1 are missing: {name}"):
        _engine(folder)


def test_tensors_of_the_encoder_that_are_not_read_are_named(tmp_path: Path) -> None:
    folder = build_general("rembert", tmp_path)
    path = folder / "model.safetensors"
    tensors = load_file(path)
    extra = {"encoder.layer.1.adapter.weight": tensors["encoder.layer.1.output.dense.weight"].clone()}
    save_file(
        tensors | extra | {"cls.head.weight": extra["encoder.layer.1.adapter.weight"].clone()}, path, {"format": "pt"}
    )
    with pytest.raises(FailedPrecondition, match=r"does not have: encoder\.layer\.1\.adapter\.weight$"):
        _engine(folder)


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"vocab_size": 1 << 30}, "weights, as config.json describes them, but the files have"),
        ({"hidden_size": 96}, "weights do not load"),
        ({"num_hidden_layers": 5000}, "`num_hidden_layers` in config.json to be a whole number within 1..1024"),
        ({"num_attention_heads": 5}, "describes no model"),
        ({"hidden_act": "nothing"}, "describes no model"),
        ({"quantization_config": {"bits": 4}}, "quantised"),
    ],
)
def test_configurations_that_do_not_fit_are_refused(settings: dict[str, object], reason: str, tmp_path: Path) -> None:
    folder = build_general("rembert", tmp_path)
    _configure(folder, **settings)
    with pytest.raises(FailedPrecondition, match=reason):
        _engine(folder)


@pytest.mark.parametrize(
    ("family", "settings", "tokenizer", "expected"),
    [
        ("albert", {"max_position_embeddings": 512}, None, 512),
        ("albert", {"max_position_embeddings": 512}, 128, 512),
        ("xlm-roberta-xl", {"max_position_embeddings": 514}, None, 512),
        ("mt5", {}, None, 512),
        ("mt5", {}, 1024, 1024),
        ("mt5", {}, 10**30, 512),
        ("big_bird", {"attention_type": "original_full", "max_position_embeddings": 4096}, None, 704),
    ],
)
def test_longest_inputs(family: str, settings: dict[str, object], tokenizer: int | None, expected: int) -> None:
    config = AutoConfig.for_model(family, **settings)
    assert longest_input(config, outline(config, "model m"), tokenizer) == expected


def test_the_longest_input_is_known_without_the_weights(tmp_path: Path) -> None:
    folder = build_general("mpnet", tmp_path)
    files = ModelFiles(aliases={"m": folder})
    assert files.longest_input("m") == 256
    (folder / "model.safetensors").write_bytes(b"no weights")
    assert files.longest_input("m") == 256
