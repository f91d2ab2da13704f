"""Generates, checks and lints the contract: `python scripts/protos.py generate|check|lint`."""

import filecmp
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import google.api.field_behavior_pb2 as google_api

ROOT = Path(__file__).resolve().parents[1]
PROTOS = ROOT / "protos"
STUBS = ROOT / "clients"
PACKAGE = Path("babelscope/v1")
GOOGLE = Path(google_api.__file__).parents[2]
SOURCES = sorted((PROTOS / PACKAGE).glob("*.proto"))
PLUGINS = (("python", ""), ("grpc_python", ""), ("mypy", "quiet:"), ("mypy_grpc", "quiet:"))


def _protoc(*arguments: str) -> None:
    environment = os.environ | {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    command = [sys.executable, "-m", "grpc_tools.protoc", f"-I{PROTOS}", f"-I{GOOGLE}", *arguments, *map(str, SOURCES)]
    subprocess.run(command, check=True, env=environment)


def generate(target: Path = STUBS) -> None:
    """Writes the stubs below `target`."""
    _protoc(*(f"--{kind}_out={option}{target}" for kind, option in PLUGINS))


def check() -> int:
    """Returns 1 and names the files where the checked-in stubs are not those of protos/."""
    with tempfile.TemporaryDirectory() as folder:
        generate(Path(folder))
        fresh = {path.name for path in (Path(folder) / PACKAGE).iterdir()}
        kept = {path.name for path in (STUBS / PACKAGE).glob("*_pb2*")}
        _, changed, errors = filecmp.cmpfiles(Path(folder) / PACKAGE, STUBS / PACKAGE, fresh & kept, shallow=False)
        stale = sorted({*changed, *errors, *(fresh ^ kept)})
    for name in stale:
        print(f"stale stub: clients/{PACKAGE}/{name}; run `make protos`", file=sys.stderr)
    return bool(stale)


def lint() -> int:
    """Runs buf's STANDARD rules over an image, so that no registry of buf's is asked for google/api."""
    with tempfile.TemporaryDirectory() as folder:
        image = Path(folder) / "api.binpb"
        _protoc("--include_source_info", "--include_imports", f"--descriptor_set_out={image}")
        buf = Path(sys.executable).parent / "buf"
        return subprocess.run([buf, "lint", image, "--config", PROTOS / "buf.yaml"], check=False).returncode


if __name__ == "__main__":
    action = {"generate": generate, "check": check, "lint": lint}[sys.argv[1]]
    sys.exit(action())
