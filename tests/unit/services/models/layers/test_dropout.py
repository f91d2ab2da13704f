from pathlib import Path

import pytest
import torch
from transformers import AutoConfig, AutoModel

from services.models.families import FAMILIES
from services.models.layers.dropout import NO_DROPOUT, Dropout, drop
from tests.support.tiny_models import CONFIGURATIONS, build_model


def test_nothing_is_dropped_at_rate_zero_or_none() -> None:
    x = torch.randn(4, 5)
    assert drop(x, None) is x
    assert drop(x, 0.0) is x


def test_what_is_not_dropped_is_scaled_up() -> None:
    torch.manual_seed(0)
    dropped = drop(torch.ones(200, 200), 0.25)
    assert dropped.unique().tolist() == [0.0, pytest.approx(4 / 3)]
    assert float(dropped.mean()) == pytest.approx(1.0, abs=0.02)


@pytest.mark.parametrize("rate", [0.1, 0.25, 0.5, 0.9])
@pytest.mark.parametrize("shape", [(1_000_003,), (1000, 1001)])
def test_as_many_are_dropped_as_the_rate_says(rate: float, shape: tuple[int, ...]) -> None:
    torch.manual_seed(1)
    x = torch.ones(shape) if len(shape) == 1 else torch.ones(shape[::-1]).t()
    dropped = drop(x, rate)
    assert dropped.shape == x.shape
    share = float((dropped == 0).float().mean())
    assert share == pytest.approx(rate, abs=5 * (rate * (1 - rate) / x.numel()) ** 0.5)
    assert float(dropped.double().mean()) == pytest.approx(1.0, abs=5 * (rate / (1 - rate) / x.numel()) ** 0.5)


def test_neighbours_are_dropped_independently_of_one_another() -> None:
    """Four numbers share a draw: each pair of them must be dropped together in p^2 of the draws."""
    torch.manual_seed(2)
    gone = (drop(torch.ones(400_000, 4), 0.3) == 0).double()
    together = gone.t() @ gone / len(gone)
    expected = torch.full((4, 4), 0.09, dtype=torch.float64).fill_diagonal_(0.3)
    torch.testing.assert_close(together, expected, atol=4e-3, rtol=0)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_gradients_pass_where_numbers_did(dtype: torch.dtype) -> None:
    x = torch.ones(37, 11, dtype=dtype, requires_grad=True)
    dropped = drop(x, 0.4)
    dropped.sum().backward()
    assert x.grad is not None
    assert torch.equal(x.grad, dropped.detach())


def test_the_draws_are_those_of_torchs_generator() -> None:
    x = torch.ones(50)
    state = torch.get_rng_state()
    first = drop(x, 0.5)
    assert not torch.equal(first, drop(x, 0.5))
    torch.set_rng_state(state)
    assert torch.equal(first, drop(x, 0.5))


@pytest.mark.parametrize("rate", [1.0, 1e-6])
def test_rates_at_the_ends(rate: float) -> None:
    assert float(drop(torch.ones(64), rate).mean()) == pytest.approx(1.0 - round(rate), abs=1e-5)
    assert drop(torch.ones(0), rate).shape == (0,)


def test_one_rate_at_the_places_of_a_family() -> None:
    assert Dropout(0.1, 0.0, None, None, 0.2).at(0.3) == Dropout(0.3, 0.3, None, None, 0.3)
    assert NO_DROPOUT.at(0.5) == NO_DROPOUT


@pytest.mark.parametrize("family", CONFIGURATIONS)
def test_places_and_rates_are_those_of_transformers(family: str, tmp_path: Path) -> None:
    rates = {
        "eurobert": {"attention_dropout": 0.2},
        "distilbert": {"dropout": 0.1, "attention_dropout": 0.2},
        "modernbert": {"embedding_dropout": 0.1, "attention_dropout": 0.2, "mlp_dropout": 0.3},
    }.get(family, {"hidden_dropout_prob": 0.1, "attention_probs_dropout_prob": 0.2})
    if family == "albert":
        rates |= {"inner_group_num": 1, "num_hidden_groups": 1}
    folder = build_model(family, tmp_path, **rates)
    ours = FAMILIES[family].dropout(AutoConfig.from_pretrained(folder))
    modules = {
        name: module.p
        for name, module in AutoModel.from_pretrained(folder).named_modules()
        if isinstance(module, torch.nn.Dropout)
        and (".0." in name or "embeddings" in name)
        and "pooler" not in name
        # ALBERT's block has another one that it never calls.
        and not name.endswith("albert_layers.0.dropout")
    }
    expected = sorted(modules.values())
    if family in {"eurobert", "modernbert"}:
        expected.append(0.2)  # that of attention weights is an attribute there, not a module
    found = [getattr(ours, place) for place in ("embeddings", "attention", "attended", "inner", "outer")]
    assert sorted(rate for rate in found if rate is not None) == sorted(expected)
