"""What is trained of a module of transformers, and what it must compute in training."""

from dataclasses import replace
from pathlib import Path

import pytest
from torch import Tensor, nn

from services.models.catalogue import ModelFiles
from services.models.general import modules
from services.models.general.loading import Base, load_base, twin
from services.models.general.training import prove_training, reached, with_dropout
from services.models.tokens.tokenization import Tokenizer
from services.runtime.errors import FailedPrecondition
from tests.support.general_models import build_general


class _Noisy(nn.Module):
    """A layer whose results are larger in training."""

    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.inner = inner

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.inner(x)
        return 1.5 * out if self.training else out


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Base:
    """A small MPNet, half of whose numbers are dropped in training."""
    folder = build_general("mpnet", tmp_path_factory.mktemp("mpnet") / "m", num_hidden_layers=2)
    model = ModelFiles(aliases={"m": folder}).find("m")
    config = with_dropout(modules.configuration(model, "m"), 0.5)
    return load_base(model, config, Tokenizer.load(folder, "m"), "m", "cpu", headed=False)


def test_all_is_trained_but_the_pooler(base: Base) -> None:
    everything = {name for name, _ in base.module.named_parameters()}
    assert everything - reached(base) == {"pooler.dense.weight", "pooler.dense.bias"}


def test_a_module_computes_the_same_in_training_but_for_dropout(base: Base) -> None:
    assert {part.p for part in base.module.modules() if isinstance(part, nn.Dropout)} == {0.5}
    prove_training(base, "m")
    module = twin(base.module)
    output = module.get_submodule("encoder.layer.1.output")
    output.dense = _Noisy(output.get_submodule("dense"))
    with pytest.raises(FailedPrecondition, match="other hidden states with it in training"):
        prove_training(replace(base, module=module), "m")


def test_dropout_has_one_rate_and_layers_are_never_dropped(tmp_path: Path) -> None:
    folder = build_general("m2m_100", tmp_path / "m", encoder_layerdrop=0.3, dropout=0.2, attention_dropout=0.0)
    config = modules.configuration(ModelFiles(aliases={"m": folder}).find("m"), "m")
    for rate, expected in ((None, (0.2, 0.0)), (0.4, (0.4, 0.4))):
        changed = with_dropout(config, rate)
        assert (changed.dropout, changed.attention_dropout, changed.encoder_layerdrop) == (*expected, 0.0)
    assert config.encoder_layerdrop == 0.3
