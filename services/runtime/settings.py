"""The settings that every server shares: typed, described, read from `BABELSCOPE_*`."""

import json
import os
import sys
from pathlib import Path
from typing import Annotated, Literal, Self, TypeVar

from babelscope.store.places import holds_credentials
from pydantic import BeforeValidator, Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from services.runtime import variables
from services.runtime.callers.files import token_problem

Port = Annotated[int, Field(ge=0, le=65535)]
MOST_SECONDS = 1e9
"""Longest time of a setting, three decades: what waits for one takes neither infinity nor all that a float holds."""
Seconds = Annotated[float, Field(gt=0, le=MOST_SECONDS, allow_inf_nan=False)]
Wait = Annotated[float, Field(ge=0, le=MOST_SECONDS, allow_inf_nan=False)]


def _object(value: object) -> object:
    """Reads an object in JSON; leaves what is no text as it is."""
    if not isinstance(value, str):
        return value
    try:
        read = json.loads(value)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"Expected an object in JSON, but got {value[:80]!r}: {error}") from None
    return read


def _split(value: object, separator: str) -> object:
    """Reads a list in JSON, or parts with a separator between them; leaves what is no text as it is."""
    if not isinstance(value, str):
        return value
    text = value.strip()
    if text.startswith("["):
        try:
            return json.loads(text)
        except (ValueError, RecursionError) as error:
            raise ValueError(f"Expected a list in JSON, but got {text[:80]!r}: {error}") from None
    return [part.strip() for part in text.split(separator) if part.strip()]


Folders = Annotated[
    tuple[Path, ...], NoDecode, BeforeValidator(lambda value: _split(value, os.pathsep), json_schema_input_type=str)
]
"""Folders: a list in JSON, or separated as on `PATH`."""
Names = Annotated[
    tuple[str, ...], NoDecode, BeforeValidator(lambda value: _split(value, ","), json_schema_input_type=str)
]
"""Names: a list in JSON, or separated by commas."""
FolderNames = Annotated[dict[str, Path], NoDecode, BeforeValidator(_object, json_schema_input_type=str)]
"""Names with their folders: an object in JSON."""

# Exit codes of every server: 1 the work failed, 2 wrong usage.
EXIT_FAILED = 1
EXIT_USAGE = 2

SettingsT = TypeVar("SettingsT", bound=BaseSettings)


def default_store() -> str:
    """The folder under the user's cache that holds the store where none is given."""
    cache = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return str(Path(cache) / "babelscope" / "store")


class ServerSettings(BaseSettings):
    """What every server is told at its start. Each service subclasses it with fields of its own."""

    model_config = SettingsConfigDict(env_prefix=variables.PREFIX, frozen=True, extra="forbid")

    host: str = Field("127.0.0.1", min_length=1, description="Address to listen on; other than loopback needs TLS.")
    port: Port = Field(0, description="Port to listen on; 0 takes any free one.")
    port_file: Path | None = Field(None, description="File that receives the bound port, once it is listened on.")
    insecure: bool = Field(False, description="Listen without TLS on an address other than loopback.")
    tls_certificate: Path | None = Field(None, description="PEM file with the server's certificate chain.")
    tls_key: Path | None = Field(None, description="PEM file with the certificate's private key.")
    tls_client_ca: Path | None = Field(
        None, description="PEM file with the authority whose certificates clients must present (mutual TLS)."
    )
    token: SecretStr | None = Field(None, description="Bearer token that clients must present.")
    callers: Path | None = Field(
        None,
        description="File in TOML or JSON, or folder, of named bearer tokens with the limits of each; read anew when "
        "it changes.",
    )
    health_port: Port = Field(
        0, description="Port for health checks without TLS, for Kubernetes' probes; 0 for none. Needs TLS."
    )
    prometheus_port: Port = Field(0, description="Port for Prometheus over HTTP; 0 for none.")
    max_message_bytes: int = Field(4 << 20, ge=64 << 10, le=256 << 20, description="Longest message in bytes.")
    max_streams: int = Field(64, ge=1, description="RPCs at once; one more is refused with RESOURCE_EXHAUSTED.")
    max_client_streams: int | None = Field(
        None,
        ge=1,
        description="RPCs at once of one client, told apart by its certificate or else its address; three quarters of "
        "`max_streams` where not given.",
    )
    max_connection_streams: int = Field(
        256,
        ge=1,
        le=2**31 - 1,
        description="RPCs at once of one connection, refused ones among them; more wait at the client.",
    )
    idle_seconds: Seconds = Field(
        300.0,
        description="Time after which a client that is waited for and sends nothing loses its stream.",
    )
    read_seconds: Seconds = Field(
        300.0, description="Time after which a client that does not read its answers loses its stream."
    )
    held_bytes: int = Field(
        1 << 30,
        ge=1 << 20,
        description="Bytes that all requests together may hold in memory: texts, ids, arrays, examples under way.",
    )
    received_bytes: int = Field(
        256 << 20,
        ge=1 << 20,
        description="Bytes that messages may take while they are parsed and worked on, all together; more wait. No "
        "client has more than three quarters of them.",
    )
    drain_notice_seconds: Wait = Field(
        0.0,
        description="Time after SIGTERM in which health says NOT_SERVING and RPCs are still taken, so that new ones go "
        "elsewhere before the drain begins.",
    )
    drain_seconds: Wait = Field(30.0, description="Time that running RPCs have to finish after SIGTERM.")
    keepalive_seconds: Seconds = Field(30.0, description="Idle time after which the server pings a client.")
    keepalive_timeout_seconds: Seconds = Field(20.0, description="Time after which a client without answer is gone.")
    client_ping_seconds: Seconds = Field(10.0, description="Shortest interval at which clients may ping.")
    max_connection_age_seconds: Wait = Field(
        0.0, description="Age at which clients are asked to connect anew, so that load spreads; 0 for never."
    )
    max_connection_age_grace_seconds: Wait = Field(
        3600.0, description="Time that the RPCs of an aged connection have to finish."
    )
    otlp_endpoint: str | None = Field(
        None,
        pattern=r"^https?://.+",
        description="Collector that traces are sent to, by OTLP over gRPC: `http://collector:4317`; needs the extra "
        "`otel`. `OTEL_*` variables say the rest.",
    )
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field("INFO", description="Least level that is logged.")
    log_format: Literal["json", "text"] = Field("json", description="Form of the log's lines.")
    store_url: str = Field(
        default_factory=default_store, min_length=1, description="The store: a folder, or `s3://bucket/prefix`."
    )

    store_bytes: int | None = Field(
        None,
        ge=1,
        description="Bytes that the store may hold, of all servers together; what would exceed them is refused. No "
        "limit where not given.",
    )

    @property
    def client_streams(self) -> int:
        """RPCs at once of one client."""
        return self.max_client_streams or max(1, self.max_streams - self.max_streams // 4)

    @field_validator("store_url")
    @classmethod
    def _store_url_is_no_secret(cls, url: str) -> str:
        """Refuses credentials in the address of the store, which logs and errors show."""
        if holds_credentials(url):
            raise ValueError("Expected `s3://bucket/prefix` without credentials or options, which belong to AWS_*")
        return url

    @field_validator("token")
    @classmethod
    def _token_is_usable(cls, token: SecretStr | None) -> SecretStr | None:
        """Refuses an empty token, which would look like protection and be none."""
        if token is not None and token_problem(token.get_secret_value()):
            raise ValueError("Expected `token` to be printable ASCII without spaces, and not empty")
        return token

    @model_validator(mode="after")
    def _tls_is_whole(self) -> Self:
        """Refuses half a TLS configuration."""
        if (self.tls_certificate is None) != (self.tls_key is None):
            raise ValueError("Expected `tls_certificate` and `tls_key` together, but got only one of them")
        if self.tls_client_ca is not None and self.tls_certificate is None:
            raise ValueError("Expected `tls_certificate` and `tls_key` beside `tls_client_ca`, but got none")
        if self.health_port and self.tls_certificate is None:
            raise ValueError("Expected `health_port` only where TLS is on; without TLS `port` answers health checks")
        return self


def load(kind: type[SettingsT]) -> SettingsT:
    """Reads settings from the environment; wrong ones, and names that nobody knows, end the process.

    Args:
        kind: The service's class of settings.

    Returns:
        The settings.

    Raises:
        SystemExit: Exit code 2, after a line for each problem on the standard error.
    """
    misspelt = variables.unknown(os.environ, kind.model_fields)
    for name, problem in misspelt.items():
        sys.stderr.write(f"{name}: {problem}\n")
    try:
        settings = kind()
    except ValidationError as error:
        prefix = kind.model_config.get("env_prefix", "")
        for fault in error.errors(include_url=False, include_input=False):
            path = ".".join(str(part) for part in fault["loc"])
            name = f"{prefix}{path}".upper() if path else "settings"
            sys.stderr.write(f"{name}: {fault['msg'].removeprefix('Value error, ')}\n")
        raise SystemExit(EXIT_USAGE) from None
    if misspelt:
        raise SystemExit(EXIT_USAGE)
    return settings
