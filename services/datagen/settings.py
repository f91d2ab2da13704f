"""The settings of the datagen service, read from `BABELSCOPE_*`."""

import json
import os
from pathlib import Path
from typing import Annotated

from pydantic import Field, field_validator
from pydantic_settings import NoDecode

from services.datagen.translation.settings import TranslationSettings
from services.runtime.settings import Port


def default_scratch() -> Path:
    """The folder under the user's cache that holds what is read twice."""
    cache = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(cache) / "babelscope" / "datagen"


class DatagenSettings(TranslationSettings):
    """What the datagen service is told at its start."""

    port: Port = Field(50053, description="Port to listen on; 0 takes any free one.")
    dictionary_roots: Annotated[tuple[Path, ...], NoDecode] = Field(
        (), description="Folders whose files may be read as dictionaries; a list as on PATH, or JSON."
    )
    scratch_dir: Path = Field(default_factory=default_scratch, description="Folder for what is read twice.")
    max_steps: int = Field(32, ge=1, description="Steps a pipeline.")
    max_samples: int = Field(100, ge=1, description="Samples of a description.")
    max_generated: int = Field(
        10_000_000, ge=1, description="Sentences that a grammar makes in one request, a language."
    )

    @field_validator("dictionary_roots", mode="before")
    @classmethod
    def _folders(cls, value: object) -> object:
        """Reads a list of folders as PATH has it."""
        if not isinstance(value, str):
            return value
        text = value.strip()
        return json.loads(text) if text.startswith("[") else [part for part in text.split(os.pathsep) if part]
