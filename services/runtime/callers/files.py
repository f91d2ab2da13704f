"""The callers that a server knows, read from a file or a folder.

A file in TOML, or in JSON with the same shape, has one table a caller:

    [ada]
    token = "..."                   # or several while one is being replaced: ["old", "new"]
    streams = 8
    tokens_per_minute = 2_000_000
    bytes_per_minute = 500_000_000

A folder, as Kubernetes mounts a Secret, has one file a caller: `ada` holds a bare token, `ada.toml` or `ada.json` the
contents of a table.
"""

import json
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from services.runtime.callers.accounts import RESERVED, Limits
from services.runtime.names import read_bounded

MOST_CALLERS: Final = 1000
_MOST_BYTES: Final = 1 << 20
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_TABLES: Final = (".toml", ".json")

Stamp = tuple[tuple[str, int, int, int, int], ...]


class CallersError(ValueError):
    """Callers that cannot be read; the message is for the person who keeps the file."""


@dataclass(frozen=True, slots=True)
class Caller:
    """One caller.

    Attributes:
        name: Name in logs and metrics.
        tokens: Tokens, any of which the caller may present.
        limits: Limits of the caller.
    """

    name: str
    tokens: tuple[str, ...]
    limits: Limits


class _Table(BaseModel):
    """One caller's table."""

    model_config = ConfigDict(extra="forbid", strict=True)

    token: str | list[str]
    streams: Annotated[int, Field(ge=1)] | None = None
    tokens_per_minute: Annotated[int, Field(ge=1)] | None = None
    bytes_per_minute: Annotated[int, Field(ge=1)] | None = None


def token_problem(token: str) -> str:
    """What keeps a text from being a bearer token; empty where it is one."""
    if not token or not token.isascii() or not token.isprintable() or " " in token:
        return "Expected a token of printable ASCII without spaces, and not empty"
    return ""


def read_callers(path: Path) -> tuple[Caller, ...]:
    """Reads all callers, by name.

    Args:
        path: A file in TOML or JSON, or a folder.

    Raises:
        CallersError: Something cannot be read, is no caller, or two callers share a token. No token is in the message.
    """
    try:
        tables = _folder(path) if path.is_dir() else _mapping(path, path.name)
    except OSError as error:
        raise CallersError(f"Expected a readable file or folder of callers, but got {path}: {error}") from None
    if len(tables) > MOST_CALLERS:
        raise CallersError(f"Expected at most {MOST_CALLERS} callers, but {path} has {len(tables)}")
    callers = tuple(_caller(name, tables[name]) for name in sorted(tables))
    owners: dict[str, str] = {}
    for caller in callers:
        for token in caller.tokens:
            if owners.setdefault(token, caller.name) != caller.name:
                raise CallersError(f"Expected tokens of their own for {owners[token]} and {caller.name}")
    return callers


def stamp(path: Path) -> Stamp:
    """Changes whenever a file of callers does; links are followed, as Kubernetes changes a Secret by a link."""
    paths = sorted(_visible(path)) if path.is_dir() else [path]
    found = []
    for each in paths:
        try:
            state = each.stat()
        except OSError:
            found.append((each.name, 0, 0, 0, 0))
        else:
            # The last one is for what is changed in place under an old time, as copies that keep times are, and for a
            # file that may be read only now.
            found.append((each.name, state.st_mtime_ns, state.st_ino, state.st_size, state.st_ctime_ns))
    return tuple(found)


def _visible(folder: Path) -> list[Path]:
    """The files of a folder; what begins with a dot is Kubernetes' own."""
    return [path for path in folder.iterdir() if not path.name.startswith(".") and path.is_file()]


def _folder(folder: Path) -> dict[str, Any]:
    """One caller a file."""
    tables: dict[str, Any] = {}
    for path in _visible(folder):
        bare = path.suffix not in _TABLES
        name = path.name if bare else path.stem
        if name in tables:
            raise CallersError(f"Expected one file for caller {name} in {folder}, but got two")
        tables[name] = {"token": _text(path).strip()} if bare else _mapping(path, path.name)
    return tables


def _mapping(path: Path, shown: str) -> dict[str, Any]:
    """The object of a file in TOML or JSON."""
    text = _text(path)
    try:
        value: Any = json.loads(text) if path.suffix == ".json" else tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        # A parser's message may show a piece of the file, and with it a token.
        place = f" at line {line}" if (line := getattr(error, "lineno", 0)) else ""
        form = "JSON" if path.suffix == ".json" else "TOML"
        raise CallersError(f"Expected {shown} to be {form}, but it is not{place}") from None
    if not isinstance(value, dict):
        raise CallersError(f"Expected a table in {shown}, but got {type(value).__name__}")
    return value


def _text(path: Path) -> str:
    """A file's text."""
    try:
        return read_bounded(path, _MOST_BYTES).decode()
    except UnicodeDecodeError:
        raise CallersError(f"Expected UTF-8 in {path.name}") from None


def _caller(name: str, table: Mapping[str, Any]) -> Caller:
    """A caller from its table."""
    if not isinstance(table, Mapping):  # its name may be a token, where a file has them the wrong way round
        raise CallersError(f"Expected a table for each caller, with its token, but got {type(table).__name__}")
    if not _NAME.fullmatch(name) or name in RESERVED:
        raise CallersError(
            f"Expected a caller's name of letters, digits, `.`, `_` and `-`, at most 64 and none of "
            f"{', '.join(sorted(RESERVED))}, but got {name[:80]!r}"
        )
    try:
        read = _Table.model_validate(table)
    except ValidationError as error:
        fault = error.errors(include_url=False, include_input=False)[0]
        field = ".".join(str(part) for part in fault["loc"][:1])
        raise CallersError(f"caller {name}: {field}: {fault['msg']}") from None
    tokens = (read.token,) if isinstance(read.token, str) else tuple(read.token)
    if not tokens:
        raise CallersError(f"caller {name}: Expected at least one token, but got none")
    for token in tokens:
        if problem := token_problem(token):
            raise CallersError(f"caller {name}: {problem}")
    return Caller(name, tokens, Limits(read.streams, read.tokens_per_minute, read.bytes_per_minute))
