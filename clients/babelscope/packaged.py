"""Models that come with the package: folders below `models`, each named `babelscope/FOLDER`."""

from functools import cache
from pathlib import Path
from typing import Final

GRAMMAR_MODEL: Final = "babelscope/grammar-8"
"""The multilingual encoder of the project's own grammar: see docs/own-model.md."""

_MODELS: Final = Path(__file__).parent / "models"
_OWNER: Final = "babelscope"


@cache
def packaged_models() -> dict[str, Path]:
    """The folder of each model that comes with the package, by the name that requests call it."""
    return {f"{_OWNER}/{config.parent.name}": config.parent for config in sorted(_MODELS.glob("*/config.json"))}
