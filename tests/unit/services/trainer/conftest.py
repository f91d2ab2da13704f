"""A tiny model of every family, made once."""

from collections.abc import Callable
from pathlib import Path

import pytest

from services.models.catalogue import ModelFiles
from services.models.tokens.tokenization import Tokenizer
from tests.support.tiny_models import build_model


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Finds or makes a model folder of a family."""
    folders: dict[str, Path] = {}

    def get(family: str) -> Path:
        if family not in folders:
            folders[family] = build_model(family, tmp_path_factory.mktemp(family) / family)
        return folders[family]

    return get


@pytest.fixture
def files(tiny: Callable[[str], Path]) -> ModelFiles:
    """The tiny BERT, called `tiny`."""
    return ModelFiles(aliases={"tiny": tiny("bert")})


@pytest.fixture
def tokenizer(tiny: Callable[[str], Path]) -> Tokenizer:
    """The tokenizer of the tiny BERT."""
    return Tokenizer.load(tiny("bert"), "tiny")
