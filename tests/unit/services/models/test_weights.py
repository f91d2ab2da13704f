"""Weights as they are read: what reading them imports, and tensors that have shapes and no numbers yet."""

import subprocess
import sys
from pathlib import Path

import pytest
import torch

from services.models.weights import stacked
from tests.support.tiny_models import build_model

ROOT = Path(__file__).resolve().parents[4]
FAMILIES = ("bert", "distilbert", "electra", "modernbert", "roberta", "xlm-roberta")
"""For others, of which ALBERT is one, transformers itself imports the compiler."""
SCRIPT = """
import sys
from pathlib import Path
from services.models.catalogue import ModelFiles, load_model
from services.models.spec import ModelSpec

for folder in map(Path, sys.argv[1:]):
    load_model(ModelFiles(aliases={"model": folder}), ModelSpec("model"))
    assert "torch._dynamo" not in sys.modules, folder.name
"""


def test_to_load_a_model_needs_no_compiler(tmp_path: Path) -> None:
    """It would take every server and every job's process a second or two."""
    folders = [str(build_model(family, tmp_path / family)) for family in FAMILIES]
    done = subprocess.run([sys.executable, "-c", SCRIPT, *folders], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("device", ["cpu", "meta"])
@pytest.mark.parametrize("bias", [True, False])
def test_layers_are_stacked_by_output(device: str, bias: bool) -> None:
    parts = [
        (torch.full((rows, 3), float(rows), device=device), torch.full((rows,), float(rows), device=device))
        for rows in (2, 5, 1)
    ]
    layer = stacked([(weight, each if bias else None) for weight, each in parts])
    assert layer.weight.shape == (8, 3)
    assert (layer.bias is None) is not bias
    for joined, each in ((layer.weight, 0), *([(layer.bias, 1)] if bias else [])):
        assert joined is not None
        expected = torch.cat([part[each] for part in parts])
        assert (joined.device, joined.dtype, joined.shape) == (expected.device, expected.dtype, expected.shape)
        if device == "cpu":
            assert torch.equal(joined, expected)
