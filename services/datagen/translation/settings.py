"""The settings of translation, read from `BABELSCOPE_*`."""

import json
import os
from pathlib import Path
from typing import Annotated

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import NoDecode

from services.runtime.settings import Seconds, ServerSettings


class TranslationSettings(ServerSettings):
    """What a server that translates is told at its start."""

    translation_roots: Annotated[tuple[Path, ...], NoDecode] = Field(
        (), description="Folders whose sub-folders are translation models; a list as on PATH, or JSON."
    )
    translation_hub: bool = Field(False, description="Look up other translation models at the Hugging Face hub.")
    translation_device: str = Field(
        "auto", pattern=r"^(auto|cpu|cuda(:\d+)?)$", description="Where translation models run: auto, cpu, cuda:0."
    )
    translation_threads: int = Field(0, ge=0, description="Cores of a CTranslate2 model; 0 for its own choice.")
    translation_models: int = Field(2, ge=1, description="Translation systems held at once.")
    translation_servers: Annotated[tuple[str, ...], NoDecode] = Field(
        (), description="Addresses of other TranslateService servers that requests may name, separated by commas."
    )
    translation_tls: bool = Field(False, description="Whether those on other machines are reached through TLS.")
    translation_ca: Path | None = Field(None, description="PEM file of the authority behind their certificates.")
    translation_token: SecretStr | None = Field(None, description="Bearer token that they ask for.")
    translation_seconds: Seconds = Field(600.0, description="Deadline of a window of texts, with all its retries.")
    translation_patience: Seconds = Field(30.0, description="Time that one that has gone has to come back.")
    translation_default: str = Field(
        "", description="System behind this server's own TranslateService: `dictionary:NAME`, `ctranslate:NAME`, ..."
    )

    @field_validator("translation_roots", mode="before")
    @classmethod
    def _folders(cls, value: object) -> object:
        """Reads a list of folders as PATH has it."""
        if not isinstance(value, str):
            return value
        text = value.strip()
        return json.loads(text) if text.startswith("[") else [part for part in text.split(os.pathsep) if part]

    @field_validator("translation_servers", mode="before")
    @classmethod
    def _addresses(cls, value: object) -> object:
        """Reads addresses separated by commas."""
        return [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value
