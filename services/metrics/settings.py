"""The settings of the metrics service, read from `BABELSCOPE_*`."""

import os
from pathlib import Path

from pydantic import Field, SecretStr

from services.runtime.settings import Port, Seconds, ServerSettings


def default_scratch() -> Path:
    """The folder under the user's cache that holds encoded views between requests."""
    cache = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(cache) / "babelscope" / "scratch"


class MetricsSettings(ServerSettings):
    """What the metrics service is told at its start."""

    port: Port = Field(50052, description="Port to listen on; 0 takes any free one.")
    encoder: str = Field(
        "127.0.0.1:50051", min_length=1, description="The encoder: `HOST:PORT`, or `dns:///NAME:PORT` for all replicas."
    )
    encoder_token: SecretStr | None = Field(None, description="Bearer token that the encoder asks for.")
    encoder_tls: bool = Field(False, description="Whether the encoder is reached through TLS.")
    encoder_ca: Path | None = Field(None, description="PEM file of the authority behind the encoder's certificate.")
    encoder_certificate: Path | None = Field(None, description="PEM file with this server's certificate as a client.")
    encoder_key: Path | None = Field(None, description="PEM file with the private key of that certificate.")
    encoder_insecure: bool = Field(False, description="Send the encoder's token without TLS to another machine.")
    encoder_patience: Seconds = Field(120.0, description="Time that an encoder that has gone has to come back.")
    encoder_first_patience: Seconds = Field(10.0, description="The same for one that has never answered.")
    scratch_dir: Path = Field(default_factory=default_scratch, description="Folder for encoded views.")
    scratch_bytes: int = Field(8 << 30, ge=1 << 20, description="Most bytes in the scratch folder.")
    work_bytes: int = Field(1 << 30, ge=64 << 20, description="Memory for rows and moments, a request.")
    threads: int | None = Field(
        None, ge=1, description="Threads of a matrix product; one a core, or what OMP_NUM_THREADS says, if not given."
    )
    device: str = Field(
        "auto",
        pattern=r"^(auto|cpu|cuda(:\d+)?)$",
        description="Where retrieval multiplies: `auto`, `cpu` or `cuda:0`; auto takes a GPU if it can.",
    )
    work_threads: int = Field(1, ge=1, description="Requests measured at once; each uses all cores for its products.")
    map_threads: int = Field(1, ge=1, description="Maps fitted at once, beside what is measured.")
    encode_at_once: int = Field(2, ge=1, description="Views of a request that are encoded at once.")
    max_views: int = Field(256, ge=2, description="Views a request.")
    max_pairs: int = Field(8192, ge=1, description="Pairs of views a request.")
    max_measures: int = Field(256, ge=1, description="Measures, similarities or ranks a request.")
    max_states: int = Field(4096, ge=1, description="States that one request merges.")
    max_rows: int = Field(4_000_000, ge=4, description="Rows a view.")
    max_texts: int = Field(4096, ge=1, description="Texts a message.")
    max_text_bytes: int = Field(256 << 20, ge=1 << 10, description="Bytes of texts a request.")
    max_dimensions: int = Field(16384, ge=1, description="Dimensions of pushed rows.")
    max_layers: int = Field(256, ge=1, description="Layers of a view.")
