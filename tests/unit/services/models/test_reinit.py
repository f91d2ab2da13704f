"""RANDOM-INIT: the right distribution, reproducible, and nothing else touched."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from transformers import AutoConfig, AutoModel, PreTrainedModel

from services.encoder.loading import load_engine
from services.models.catalogue import ModelFiles, load_model
from services.models.families import FAMILIES
from services.models.layers.blocks import Block, Norm, PostNormBlock, PreNormBlock
from services.models.reinit import Draw, check, reinitialised, sinusoids
from services.models.spec import EncodePlan, ModelSpec, Reinit, Scheme
from services.models.weights import Embeddings, Encoder
from services.runtime.errors import InvalidArgument
from tests.support.tiny_models import build_model

WIDE: dict[str, dict[str, Any]] = {
    "bert": {"hidden_size": 384, "intermediate_size": 512, "num_hidden_layers": 3, "num_attention_heads": 6},
    "xlm-roberta": {"hidden_size": 384, "intermediate_size": 512, "num_hidden_layers": 3, "num_attention_heads": 6},
    "distilbert": {"dim": 384, "hidden_dim": 512, "n_layers": 3, "n_heads": 6},
    "electra": {
        "hidden_size": 384,
        "embedding_size": 256,
        "intermediate_size": 512,
        "num_hidden_layers": 3,
        "num_attention_heads": 6,
    },
    "modernbert": {"hidden_size": 384, "intermediate_size": 512, "num_hidden_layers": 3, "num_attention_heads": 6},
}
"""Wide enough for the standard deviation of each matrix to be known within half a per cent."""


def _config(family: str) -> Any:
    return AutoConfig.for_model(
        family, vocab_size=1000, pad_token_id=1, bos_token_id=2, eos_token_id=3, cls_token_id=2, sep_token_id=3,
        **WIDE[family],
    )  # fmt: skip


def _fresh(config: Any) -> PreTrainedModel:
    state = torch.get_rng_state()
    torch.manual_seed(0)
    model = AutoModel.from_config(config)
    torch.set_rng_state(state)
    return model


def _drawn(family: str, config: Any, layer: int, seed: int = 0, scheme: Scheme = "model") -> Block:
    return FAMILIES[family].block(Draw(seed, layer, scheme, "cpu"), config, layer)


def _norms(block: Block) -> Iterator[Norm]:
    for value in vars(block).values():
        if isinstance(value, Norm):
            yield value


def _plain_matrices(model: PreTrainedModel, layer: int) -> list[torch.Tensor]:
    """The matrices of a fresh model's block, in the order of `linears`, with stacked ones stacked."""
    blocks = next(module for module in model.modules() if isinstance(module, torch.nn.ModuleList))
    matrices = [p.detach() for _, p in blocks[layer - 1].named_parameters() if p.ndim == 2]
    if len(matrices) == 6:
        return [torch.cat(matrices[:3]), *matrices[3:]]
    wqkv, wo, wi, down = matrices
    return [wqkv, wo, *wi.chunk(2), down]


@pytest.mark.parametrize("family", WIDE)
def test_a_layer_equals_a_fresh_models_in_distribution(family: str) -> None:
    config = _config(family)
    model = _fresh(config)
    for layer in (1, 3):
        block = _drawn(family, config, layer)
        for linear, plain in zip(block.linears(), _plain_matrices(model, layer), strict=True):
            weight = linear.weight
            assert weight.shape == plain.shape
            assert float(weight.std()) == pytest.approx(float(plain.std()), rel=0.02)
            assert abs(float(weight.mean())) < 5 * float(plain.std()) / weight.numel() ** 0.5
            quantiles = torch.tensor([0.01, 0.1, 0.25, 0.5, 0.75, 0.9, 0.99])
            ours, theirs = (torch.quantile(w.flatten()[:100_000], quantiles) for w in (weight, plain))
            np.testing.assert_allclose(ours, theirs, atol=0.05 * float(plain.std()))
            assert float(weight.abs().max()) == pytest.approx(float(plain.abs().max()), rel=0.25)
            if linear.bias is not None:
                assert not linear.bias.any()
        for norm in _norms(block):
            assert (norm.weight == 1).all()
            assert norm.bias is None or not norm.bias.any()


def test_bert_is_normal_with_its_initializer_range() -> None:
    block = _drawn("bert", _config("bert"), 2)
    assert isinstance(block, PostNormBlock)
    for linear in block.linears():
        assert float(linear.weight.std()) == pytest.approx(0.02, rel=0.02)


def test_modernbert_cuts_its_draws() -> None:
    config = _config("modernbert")
    block = _drawn("modernbert", config, 2)
    assert isinstance(block, PreNormBlock)
    for linear in (block.qkv, block.up, block.gate):
        assert float(linear.weight.abs().max()) <= config.initializer_cutoff_factor * config.initializer_range


def test_the_scripts_scheme_is_pytorchs_constructor() -> None:
    config = _config("bert")
    block = _drawn("bert", config, 1, scheme="torch_default")
    for linear in block.linears():
        reach = linear.shape[1] ** -0.5
        assert linear.bias is not None
        for tensor in (linear.weight, linear.bias):
            assert float(tensor.abs().max()) <= reach
            assert float(tensor.abs().max()) > 0.97 * reach
        assert float(linear.weight.std()) == pytest.approx(reach / 3**0.5, rel=0.02)


def test_the_published_scripts_deviations() -> None:
    config = AutoConfig.for_model("bert", num_hidden_layers=1, vocab_size=10)
    block = _drawn("bert", config, 1, scheme="torch_default")
    assert isinstance(block, PostNormBlock)
    assert float(block.out.weight.std()) == pytest.approx(0.0208, rel=0.01)
    assert float(block.down.weight.std()) == pytest.approx(0.0104, rel=0.01)


@pytest.mark.parametrize("family", WIDE)
def test_embeddings_equal_a_fresh_models_in_distribution(family: str) -> None:
    config = _config(family)
    tables = [m for m in _fresh(config).modules() if isinstance(m, torch.nn.Embedding)]
    drawn = FAMILIES[family].embeddings(Draw(0, 0, "model", "cpu"), config)
    ours = [table for table in (drawn.word, drawn.position, drawn.segment) if table is not None]
    theirs = {tuple(table.weight.shape): table.weight.detach() for table in tables}
    assert len(ours) == len(tables)
    for table in ours:
        plain = theirs[tuple(table.shape)]
        if table.numel() > 10_000:
            assert float(table.std()) == pytest.approx(float(plain.std()), rel=0.02)
        np.testing.assert_array_equal((table == 0).all(1), (plain == 0).all(1))
    assert (drawn.norm.weight == 1).all()
    assert (drawn.project is None) == (family != "electra")


def test_fixed_sinusoids_are_those_of_transformers() -> None:
    config = AutoConfig.for_model("distilbert", vocab_size=50, dim=16, n_heads=2, sinusoidal_pos_embds=True, n_layers=1)
    plain = _fresh(config).embeddings.position_embeddings.weight
    np.testing.assert_allclose(sinusoids(512, 16), plain.detach(), atol=1e-6)
    drawn = FAMILIES["distilbert"].embeddings(Draw(0, 0, "model", "cpu"), config)
    np.testing.assert_allclose(drawn.position, plain.detach(), atol=1e-6)


def test_a_draw_depends_on_seed_and_layer_alone() -> None:
    config = _config("bert")
    torch.manual_seed(1)
    first = _drawn("bert", config, 2, seed=5).linears()
    torch.manual_seed(2)
    _drawn("bert", config, 1, seed=5)
    again = _drawn("bert", config, 2, seed=5).linears()
    assert all(torch.equal(one.weight, other.weight) for one, other in zip(first, again, strict=True))
    for other in (_drawn("bert", config, 3, seed=5), _drawn("bert", config, 2, seed=6)):
        assert not any(torch.equal(a.weight, b.weight) for a, b in zip(first, other.linears(), strict=True))
    weights = [linear.weight.flatten()[:1000] for linear in first]
    assert len({tuple(weight[:5].tolist()) for weight in weights}) == len(weights)


def test_the_global_generator_is_not_touched() -> None:
    before = torch.get_rng_state()
    for family in WIDE:
        for scheme in ("model", "torch_default"):
            _drawn(family, _config(family), 1, scheme=scheme)
    assert torch.equal(before, torch.get_rng_state())


def test_another_process_draws_the_same() -> None:
    script = (
        "from services.models.reinit import Draw\n"
        "from services.models.weights import Slot\n"
        "draw = Draw(-7, 3, 'model', 'cpu')\n"
        "print([draw.tensor(Slot('w', (40, 30), 'matrix', std=0.02)).sum().item() for _ in range(3)])\n"
    )
    root = Path(__file__).resolve().parents[4]
    said = subprocess.run([sys.executable, "-c", script], cwd=root, capture_output=True, text=True, check=True).stdout
    namespace: dict[str, Any] = {}
    lines = script.replace("print(", "namespace['here'] = (")
    exec(lines, {"namespace": namespace})
    assert said.strip() == str(namespace["here"])


def test_all_other_tensors_are_the_base_models_own(tmp_path: Path) -> None:
    files = ModelFiles(aliases={"tiny": build_model("bert", tmp_path)})
    base = load_engine(files, ModelSpec("tiny"), threads=1)
    variant = load_engine(files, ModelSpec("tiny", reinit=(Reinit((2, 3), seed=1),)), threads=1)
    one, other = _encoder(base), _encoder(variant)
    assert other.embeddings is one.embeddings
    assert [a is b for a, b in zip(one.blocks, other.blocks, strict=True)] == [True, False, False, True]
    assert variant.info.digest != base.info.digest
    batch = base.tokenize(["the river rose", "昨日は雨"])
    plan = EncodePlan((0, 1, 2, 3, 4))
    for a, b in zip(base.encode(batch, plan), variant.encode(batch, plan), strict=True):
        np.testing.assert_array_equal(a[:, :2], b[:, :2])
        assert (np.abs(a[:, 2:] - b[:, 2:]).max(axis=2) > 1e-3).all()
    base.close()
    variant.close()


def test_the_last_blocks_draw_keeps_the_final_norm(tmp_path: Path) -> None:
    files = ModelFiles(aliases={"tiny": build_model("modernbert", tmp_path)})
    base = load_engine(files, ModelSpec("tiny"), threads=1)
    variant = load_engine(files, ModelSpec("tiny", reinit=(Reinit((5,)),)), threads=1)
    assert _encoder(variant).final_norm is _encoder(base).final_norm
    base.close()
    variant.close()


def _encoder(engine: Any) -> Encoder:
    encoder: Encoder = engine._backend._encoder
    return encoder


def test_later_steps_override_earlier_ones() -> None:
    config = _config("bert")
    family = FAMILIES["bert"]
    blocks = tuple(_drawn("bert", config, layer, seed=99) for layer in (1, 2, 3))
    embeddings: Embeddings = family.embeddings(Draw(99, 0, "model", "cpu"), config)
    base = Encoder(embeddings, blocks, None, 0)
    drawn = reinitialised(base, family, config, [Reinit((1, 2), True, 1), Reinit((2,), seed=2)], "cpu")
    for layer, seed in ((1, 1), (2, 2), (3, 99)):
        ours, expected = drawn.blocks[layer - 1].linears(), _drawn("bert", config, layer, seed).linears()
        assert all(torch.equal(a.weight, b.weight) for a, b in zip(ours, expected, strict=True))
    assert drawn.blocks[2] is blocks[2]
    assert not torch.equal(drawn.embeddings.word, embeddings.word)


@pytest.mark.parametrize("layer", [0, 4, -1])
def test_layers_that_do_not_exist_are_refused(layer: int) -> None:
    with pytest.raises(
        InvalidArgument, match=rf"Expected `layers` within 1\.\.3 for model m, but got {layer}"
    ) as caught:
        check([Reinit((1,)), Reinit((2, layer))], 3, "m")
    assert caught.value.field == "spec.model.reinit[1].layers"


def test_a_step_that_draws_nothing_is_refused() -> None:
    with pytest.raises(InvalidArgument, match="at least one layer"):
        check([Reinit()], 3, "m")
    check([Reinit(embeddings=True)], 3, "m")


def test_layers_that_share_a_block_are_drawn_together_and_once(tmp_path: Path) -> None:
    files = ModelFiles(aliases={"m": build_model("albert", tmp_path / "m")})
    base = load_model(files, ModelSpec("m"))
    assert base.encoder.blocks[0] is base.encoder.blocks[2]
    for layers in ((1,), (1, 2), (1, 2, 3)):
        with pytest.raises(InvalidArgument, match=r"Expected layers \d, \d of model m together, as they share a block"):
            load_model(files, ModelSpec("m", reinit=(Reinit(layers),)))
    drawn = load_model(files, ModelSpec("m", reinit=(Reinit((3, 1)),))).encoder
    assert drawn.blocks[0] is drawn.blocks[2]
    assert drawn.blocks[0] is not base.encoder.blocks[0]
    assert drawn.blocks[1] is base.encoder.blocks[1]
    # An earlier draw of a part is not seen: the last of each layer counts.
    both = ModelSpec("m", reinit=(Reinit((1, 3), seed=5), Reinit((1, 3))))
    again = load_model(files, both).encoder.blocks[0]
    for one, other in zip(again.linears(), drawn.blocks[0].linears(), strict=True):
        assert torch.equal(one.weight, other.weight)
    numbers = {name: each.numel() for name, each in AutoModel.from_pretrained(tmp_path / "m").named_parameters()}
    assert base.info.parameters == sum(count for name, count in numbers.items() if "pooler" not in name)
