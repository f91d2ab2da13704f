"""Where and with what a study was run."""

import os
import platform
import subprocess
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Final

_LIBRARIES: Final = ("numpy", "grpcio", "protobuf", "torch", "transformers", "tokenizers", "scipy")


def code_version() -> str:
    """Version of this package; `0` for a checkout that is not installed."""
    try:
        return version("babelscope")
    except PackageNotFoundError:
        return "0"


def now() -> str:
    """The date and time in UTC: `2025-01-31T12:00:00Z`."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def provenance(command: str, mesh: str) -> dict[str, Any]:
    """Code, libraries, machine and date; no name of a person, a host or a folder.

    Args:
        command: Command that runs the study again.
        mesh: Place of the servers: `local` or an address.
    """
    system = f"{platform.system()} {platform.machine()}"
    return {
        "babelscope": code_version(),
        "commit": _commit(),
        "libraries": _libraries(),
        "machine": f"{system}, {os.cpu_count()} cores, Python {platform.python_version()}",
        "mesh": mesh,
        "date": now(),
        "command": command,
    }


def _libraries() -> dict[str, str]:
    """Versions of the libraries in the client's environment, which a local mesh shares."""
    found = {}
    for name in _LIBRARIES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def _commit() -> str:
    """The checkout's commit, `+` behind it where tracked files differ; empty for an installed package."""
    root = Path(__file__).resolve().parents[3]
    if not (root / ".git").exists() or not (root / "protos" / "babelscope").is_dir():
        return ""
    head = _git(root, "rev-parse", "HEAD")
    changed = _git(root, "status", "--porcelain", "--untracked-files=no")
    return f"{head}{'+' if head and changed else ''}"


def _git(root: Path, *arguments: str) -> str:
    try:
        done = subprocess.run(
            ["git", "-C", str(root), *arguments], capture_output=True, text=True, timeout=10, check=True
        )
    except (OSError, subprocess.SubprocessError):  # no git here: the version alone must do
        return ""
    return done.stdout.strip()
