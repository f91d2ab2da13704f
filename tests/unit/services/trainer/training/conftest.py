"""Small models that transformers' own modules compute, made once."""

from collections.abc import Callable

import pytest

from services.models.catalogue import ModelFiles
from tests.support.general_models import TRAINED, build_general


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], ModelFiles]:
    """Finds or makes a model of a family, called `m`, DeBERTa with its head."""
    made: dict[str, ModelFiles] = {}

    def get(family: str) -> ModelFiles:
        if family not in made:
            folder = tmp_path_factory.mktemp(family) / "m"
            build_general(family, folder, head=family == "deberta-v2", **TRAINED[family])
            made[family] = ModelFiles(aliases={"m": folder})
        return made[family]

    return get
