"""The settings of translation, read from `BABELSCOPE_*`."""

from pathlib import Path

from pydantic import Field, SecretStr

from services.runtime.settings import Folders, Names, Seconds, ServerSettings


class TranslationSettings(ServerSettings):
    """What a server that translates is told at its start."""

    translation_roots: Folders = Field(
        (), description="Folders whose sub-folders are translation models; a list in JSON, or separated like `PATH`."
    )
    translation_hub: bool = Field(False, description="Look up other translation models at the Hugging Face hub.")
    translation_device: str = Field(
        "auto", pattern=r"^(auto|cpu|cuda(:\d+)?)$", description="Where translation models run: auto, cpu, cuda:0."
    )
    translation_threads: int = Field(0, ge=0, description="Cores of a CTranslate2 model; 0 for its own choice.")
    translation_models: int = Field(2, ge=1, description="Translation systems held at once.")
    translation_servers: Names = Field(
        (),
        description="Addresses of other TranslateService servers that requests may name: a list in JSON, or separated "
        "by commas.",
    )
    translation_tls: bool = Field(False, description="Whether those on other machines are reached through TLS.")
    translation_ca: Path | None = Field(None, description="PEM file of the authority behind their certificates.")
    translation_token: SecretStr | None = Field(None, description="Bearer token that they ask for.")
    translation_seconds: Seconds = Field(600.0, description="Deadline of a window of texts, with all its retries.")
    translation_patience: Seconds = Field(30.0, description="Time that one that has gone has to come back.")
    translation_default: str = Field(
        "", description="System behind this server's own TranslateService: `dictionary:NAME`, `ctranslate:NAME`, ..."
    )
