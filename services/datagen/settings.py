"""The settings of the datagen service, read from `BABELSCOPE_*`."""

import os
from pathlib import Path

from pydantic import Field

from services.datagen.translation.settings import TranslationSettings
from services.runtime.settings import Folders, Port


def default_scratch() -> Path:
    """The folder under the user's cache that holds what is read twice."""
    cache = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(cache) / "babelscope" / "datagen"


class DatagenSettings(TranslationSettings):
    """What the datagen service is told at its start."""

    port: Port = Field(50053, description="Port to listen on; 0 takes any free one.")
    dictionary_roots: Folders = Field(
        (), description="Folders whose files may be read as dictionaries; a list in JSON, or separated like `PATH`."
    )
    scratch_dir: Path = Field(default_factory=default_scratch, description="Folder for what is read twice.")
    max_steps: int = Field(32, ge=1, description="Steps a pipeline.")
    max_samples: int = Field(100, ge=1, description="Samples of a description.")
    max_generated: int = Field(
        10_000_000, ge=1, description="Sentences that a grammar makes in one request, a language."
    )
