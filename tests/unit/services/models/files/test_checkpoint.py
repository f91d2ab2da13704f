"""Checkpoints load whole, under either naming, or not at all."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoConfig

from services.models.catalogue import ModelFiles, load_model
from services.models.families import FAMILIES
from services.models.files.checkpoint import INDEX_FILE, SINGLE_FILE, Checkpoint, weight_files
from services.models.layers.blocks import Block
from services.models.spec import ModelSpec
from services.models.weights import Embeddings
from services.runtime.errors import FailedPrecondition
from tests.support.tiny_models import build_model


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return build_model("bert", tmp_path / "tiny")


def _rewrite(folder: Path, change: Any) -> None:
    tensors = load_file(folder / SINGLE_FILE)
    save_file(change(tensors), folder / SINGLE_FILE)


def _load(folder: Path, family: str = "bert") -> tuple[dict[str, torch.Tensor], int]:
    """The weights that matter, and how many numbers were read."""
    config = AutoConfig.from_pretrained(folder)
    layers = FAMILIES[family].dimensions(config).layers
    with Checkpoint(weight_files(folder, "model m"), FAMILIES[family], "model m", "cpu") as checkpoint:

        def build() -> tuple[Embeddings, list[Block]]:
            embeddings = FAMILIES[family].embeddings(checkpoint, config)
            blocks = [FAMILIES[family].block(checkpoint, config, n) for n in range(1, layers + 1)]
            FAMILIES[family].final_norm(checkpoint, config)
            return embeddings, blocks

        build()
        checkpoint.finish(layers)
        embeddings, blocks = build()
        weights = {f"{n}.{m}": linear.weight for n, b in enumerate(blocks) for m, linear in enumerate(b.linears())}
        return {"word": embeddings.word, **weights}, checkpoint.parameters


def _equal(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


def test_values_and_count(folder: Path) -> None:
    weights, count = _load(folder)
    stored = load_file(folder / SINGLE_FILE)
    assert torch.equal(weights["word"], stored["embeddings.word_embeddings.weight"])
    names = [f"encoder.layer.1.attention.self.{part}.weight" for part in ("query", "key", "value")]
    assert torch.equal(weights["1.0"], torch.cat([stored[name] for name in names]))
    assert count == sum(tensor.numel() for name, tensor in stored.items() if not name.startswith("pooler"))


def test_with_a_prefix(folder: Path) -> None:
    plain = _load(folder)
    _rewrite(folder, lambda tensors: {f"bert.{name}": tensor for name, tensor in tensors.items()})
    assert _equal(plain[0], _load(folder)[0])


def test_with_the_names_of_old_norms(folder: Path) -> None:
    plain = _load(folder)
    old = {"LayerNorm.weight": "LayerNorm.gamma", "LayerNorm.bias": "LayerNorm.beta"}

    def rename(name: str) -> str:
        for new, former in old.items():
            name = name.replace(new, former)
        return name

    _rewrite(folder, lambda tensors: {rename(name): tensor for name, tensor in tensors.items()})
    assert _equal(plain[0], _load(folder)[0])


def test_in_several_files(folder: Path) -> None:
    plain = _load(folder)
    tensors = load_file(folder / SINGLE_FILE)
    (folder / SINGLE_FILE).unlink()
    names = sorted(tensors)
    files = {f"model-0000{n + 1}-of-00003.safetensors": names[n::3] for n in range(3)}
    for file, chosen in files.items():
        save_file({name: tensors[name] for name in chosen}, folder / file)
    weight_map = {name: file for file, chosen in files.items() for name in chosen}
    (folder / INDEX_FILE).write_text(json.dumps({"metadata": {}, "weight_map": weight_map}))
    assert _equal(plain[0], _load(folder)[0])
    (folder / "model-00002-of-00003.safetensors").unlink()
    with pytest.raises(FailedPrecondition, match="files that are missing: model-00002-of-00003"):
        weight_files(folder, "model m")


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_other_floating_types_become_float32(folder: Path, dtype: torch.dtype) -> None:
    _rewrite(folder, lambda tensors: {name: tensor.to(dtype) for name, tensor in tensors.items()})
    weights, _ = _load(folder)
    stored = load_file(folder / SINGLE_FILE)["embeddings.word_embeddings.weight"]
    assert weights["word"].dtype == torch.float32
    assert torch.equal(weights["word"], stored.float())


def test_integers_are_refused(folder: Path) -> None:
    _rewrite(folder, lambda tensors: {name: tensor.to(torch.int8) for name, tensor in tensors.items()})
    with pytest.raises(FailedPrecondition, match=r"floating-point weights, but .* is torch\.int8"):
        _load(folder)


def test_missing_tensors_are_named(folder: Path) -> None:
    gone = ("encoder.layer.2.output.dense.weight", "encoder.layer.3.attention.self.key.bias")
    _rewrite(folder, lambda tensors: {name: tensor for name, tensor in tensors.items() if name not in gone})
    with pytest.raises(FailedPrecondition, match="2 are missing") as caught:
        _load(folder)
    assert all(name in caught.value.reason for name in gone)


def test_a_missing_layer_is_named(folder: Path) -> None:
    _rewrite(folder, lambda tensors: {n: t for n, t in tensors.items() if not n.startswith("encoder.layer.3.")})
    with pytest.raises(FailedPrecondition, match=r"16 are missing: encoder\.layer\.3\.attention"):
        _load(folder)


def test_a_missing_pooler_is_no_matter(folder: Path) -> None:
    _rewrite(folder, lambda tensors: {n: t for n, t in tensors.items() if not n.startswith("pooler")})
    _load(folder)


def test_a_wrong_prefix_is_not_taken_for_an_empty_model(folder: Path) -> None:
    _rewrite(folder, lambda tensors: {f"encoder_model.{name}": tensor for name, tensor in tensors.items()})
    with pytest.raises(FailedPrecondition, match=r"missing: embeddings\.word_embeddings\.weight"):
        _load(folder)


def test_two_encoders_in_one_checkpoint_are_refused(folder: Path) -> None:
    _rewrite(folder, lambda tensors: tensors | {f"bert.{name}": tensor.clone() for name, tensor in tensors.items()})
    with pytest.raises(FailedPrecondition, match="one encoder in the checkpoint, but got several"):
        _load(folder)


def test_other_shapes_are_named(folder: Path) -> None:
    name = "encoder.layer.0.intermediate.dense.weight"
    _rewrite(folder, lambda tensors: tensors | {name: torch.zeros(7, 48)})
    with pytest.raises(
        FailedPrecondition, match=r"layer\.0\.intermediate\.dense\.weight \[7, 48\], expected \[80, 48\]"
    ):
        _load(folder)


@pytest.mark.parametrize(
    "name", ["encoder.layer.1.attention.self.distance_embedding.weight", "embeddings.language.weight"]
)
def test_tensors_that_would_be_ignored_are_refused(folder: Path, name: str) -> None:
    _rewrite(folder, lambda tensors: tensors | {name: torch.zeros(2, 2)})
    with pytest.raises(FailedPrecondition, match=f"does not have: {name}"):
        _load(folder)


def test_harmless_extras_are_ignored(folder: Path) -> None:
    extras = {"embeddings.position_ids": torch.zeros(1, 4), "classifier.weight": torch.zeros(2, 48)}
    extras["encoder.layer.9.output.dense.weight"] = torch.zeros(2, 2)
    _rewrite(folder, lambda tensors: tensors | extras)
    _load(folder)


def test_pickles_are_refused(folder: Path) -> None:
    (folder / SINGLE_FILE).rename(folder / "pytorch_model.bin")
    with pytest.raises(FailedPrecondition, match=r"only pytorch_model\.bin, which would have to be unpickled"):
        weight_files(folder, "model m")
    (folder / "pytorch_model.bin").unlink()
    with pytest.raises(FailedPrecondition, match="no weights at all"):
        weight_files(folder, "model m")


@pytest.mark.parametrize(
    "name",
    ["model.fp16.safetensors", "adapter_model.safetensors", "tf_model.h5", "notes.txt"],
)
def test_weights_under_other_names_are_named(folder: Path, name: str) -> None:
    (folder / SINGLE_FILE).rename(folder / name)
    found = "no weights at all" if name == "notes.txt" else f"only {name}$"
    with pytest.raises(FailedPrecondition, match=found):
        weight_files(folder, "model m")


@pytest.mark.parametrize("text", ["{", "[]", '{"weight_map": 3}'])
def test_a_damaged_index_is_refused(folder: Path, text: str) -> None:
    (folder / SINGLE_FILE).unlink()
    (folder / INDEX_FILE).write_text(text)
    with pytest.raises(FailedPrecondition, match="cannot be read"):
        weight_files(folder, "model m")


@pytest.mark.parametrize("name", ["../other/model.safetensors", "weights.bin"])
def test_an_index_cannot_lead_elsewhere(folder: Path, name: str) -> None:
    (folder / SINGLE_FILE).unlink()
    (folder / INDEX_FILE).write_text(json.dumps({"weight_map": {"a": name}}))
    with pytest.raises(FailedPrecondition, match="not safetensors files of this folder"):
        weight_files(folder, "model m")


def test_a_file_cut_short_is_refused(folder: Path) -> None:
    path = folder / SINGLE_FILE
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(FailedPrecondition, match="not a whole safetensors file"):
        _load(folder)


@pytest.mark.parametrize(
    "wrapper", ["module.", "0.auto_model.", "module.bert.", "_orig_mod.", "_orig_mod.module.0.auto_model."]
)
def test_wrappers_are_taken_off(folder: Path, wrapper: str) -> None:
    expected = _load(folder)[0]
    _rewrite(folder, lambda tensors: {wrapper + name: tensor for name, tensor in tensors.items()})
    assert _equal(_load(folder)[0], expected)


@pytest.mark.parametrize("wrapper", ["", "module.", "_orig_mod."])
@pytest.mark.parametrize(
    ("family", "alias"),
    [
        ("albert", "predictions.decoder.weight"),
        ("bert", "cls.predictions.decoder.weight"),
        ("camembert", "lm_head.decoder.weight"),
        ("distilbert", "vocab_projector.weight"),
        ("electra", "generator_lm_head.weight"),
        ("modernbert", "decoder.weight"),
        ("roberta", "lm_head.decoder.weight"),
        ("xlm-roberta", "lm_head.decoder.weight"),
    ],
)
def test_a_word_table_saved_under_the_name_of_the_output_layer(
    family: str, alias: str, wrapper: str, tmp_path: Path
) -> None:
    folder = build_model(family, tmp_path / "with-head", head=True)
    expected, table = _load(folder, family)[0], FAMILIES[family].word_table
    names = load_file(folder / SINGLE_FILE)
    assert sum(name.endswith(table) for name in names) == 1
    assert alias not in names
    _rewrite(
        folder,
        lambda tensors: {
            wrapper + (alias if name.endswith(table) else name): tensor for name, tensor in tensors.items()
        },
    )
    assert _equal(_load(folder, family)[0], expected)


def test_an_output_layer_of_its_own_is_no_word_table(tmp_path: Path) -> None:
    folder = build_model("roberta", tmp_path / "untied", head=True)
    table = FAMILIES["roberta"].word_table
    _rewrite(
        folder,
        lambda tensors: {
            "lm_head.decoder.weight" if name.endswith(table) else name: tensor for name, tensor in tensors.items()
        },
    )
    config = json.loads((folder / "config.json").read_text()) | {"tie_word_embeddings": False}
    (folder / "config.json").write_text(json.dumps(config))
    with pytest.raises(FailedPrecondition, match=r"1 are missing: embeddings\.word_embeddings\.weight"):
        load_model(ModelFiles(aliases={"m": folder}), ModelSpec("m"))


def test_the_same_tensor_twice_is_refused(folder: Path) -> None:
    _rewrite(folder, lambda tensors: tensors | {f"module.{name}": tensor.clone() for name, tensor in tensors.items()})
    with pytest.raises(FailedPrecondition, match="one encoder in the checkpoint, but got several"):
        _load(folder)


def test_an_unknown_prefix_is_named(folder: Path) -> None:
    _rewrite(folder, lambda tensors: {f"student.{name}": tensor for name, tensor in tensors.items()})
    with pytest.raises(FailedPrecondition, match=r"under the unknown prefix 'student\.'"):
        _load(folder)
