"""The Dockerfiles: small, pinned, and without root."""

import ast
import re
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[3]

SHARED = {"encoder": ("runtime", "models"), "trainer": ("runtime", "models")}
"""Folders below services/ that a service needs beside its own; the runtime where not listed."""
OWN = {"babelscope", "services"}
OPTIONAL = {"stanza"}
"""Of extras that an image may go without, and that say so: `parsing`."""
NAMES = {
    "botocore": "s3fs",
    "httpcore": "huggingface-hub",
    "httpx": "huggingface-hub",
    "google": "googleapis-common-protos",
    "grpc": "grpcio",
    "grpc_health": "grpcio-health-checking",
    "grpc_reflection": "grpcio-reflection",
    "grpc_status": "grpcio-status",
    "yaml": "pyyaml",
}


def _imported(service: str) -> set[str]:
    """The packages that the modules of a service and of the runtime import."""
    found = set()
    for folder in (service, *SHARED.get(service, ("runtime",))):
        for path in (ROOT / "services" / folder).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.Import):
                    found |= {alias.name.split(".")[0] for alias in node.names}
                elif isinstance(node, ast.ImportFrom) and node.module:
                    found.add(node.module.split(".")[0])
    return {name for name in found if name not in sys.stdlib_module_names}


every_service = pytest.mark.parametrize("service", ["encoder", "metrics", "datagen", "trainer"])


@every_service
def test_every_stage_is_one_python_that_a_digest_may_pin(service: str, image: Any) -> None:
    bases = [text for name, text in image(service).instructions if name == "FROM"]
    assert {base.split()[0] for base in bases} == {"${PYTHON_IMAGE}"}
    assert image(service).instructions[0] == ("ARG", "PYTHON_IMAGE=python:3.11-slim")


@every_service
def test_no_root(service: str, image: Any) -> None:
    [user] = image(service).last("USER")
    assert re.fullmatch(r"[1-9]\d{3,}:[1-9]\d{3,}", user)


@every_service
def test_packages_are_those_of_the_lock(service: str, image: Any) -> None:
    [install] = [text for name, text in image(service).instructions if name == "RUN" and "pip install" in text]
    assert "--constraint requirements.lock" in install
    [extras] = re.findall(r"'\.\[([\w,-]+)\]'", install)
    assert extras.split(",")[0] == service
    known = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    assert set(extras.split(",")) <= known.keys()


@every_service
def test_torch_is_pinned_and_its_build_chosen_by_an_argument(service: str, image: Any) -> None:
    """Installed in the same command, so that no newer build is pulled in; whoever builds chooses the index."""
    instructions = image(service).instructions
    [install] = [text for name, text in instructions if name == "RUN" and "pip install" in text]
    pins = (ROOT / "requirements.lock").read_text().splitlines()
    [torch] = re.findall(r"'(torch==[\d.]+)'", install)
    assert torch in pins
    assert '${TORCH_INDEX:+--extra-index-url "$TORCH_INDEX"}' in install
    assert [text for name, text in instructions if name == "ARG"][1:] == ["TORCH_INDEX="]


@pytest.mark.parametrize("service", ["encoder", "datagen", "trainer"])
def test_the_extra_of_a_service_has_all_that_it_imports(service: str, image: Any) -> None:
    """The packages that a service's modules import, late ones too, come with the extras of its image."""
    [install] = [text for name, text in image(service).instructions if name == "RUN" and "pip install" in text]
    [extras] = re.findall(r"'\.\[([\w,-]+)\]'", install)
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    installed = set(project["dependencies"])
    open_extras = extras.split(",")
    while open_extras:
        for package in project["optional-dependencies"][open_extras.pop()]:
            nested = re.fullmatch(r"babelscope\[([\w,-]+)\]", package)
            open_extras += nested[1].split(",") if nested else []
            installed.add(package)
    names = {re.split(r"[<>=\[]", package)[0].lower().replace("_", "-") for package in installed}
    for module in _imported(service) - OWN - OPTIONAL:
        assert NAMES.get(module, module.replace("_", "-")) in names, module


@every_service
def test_what_is_copied_exists_and_passes_the_ignore_file(service: str, image: Any) -> None:
    ignored = (ROOT / "deploy" / "docker" / f"{service}.Dockerfile.dockerignore").read_text().splitlines()
    allowed = {line[1:] for line in ignored if line.startswith("!")}
    copies = [
        text.split()[:-1] for name, text in image(service).instructions if name == "COPY" and "--from" not in text
    ]
    for source in (each for sources in copies for each in sources):
        assert (ROOT / source).exists(), source
        assert source.split("/")[0] in allowed, source


@every_service
def test_only_its_own_service_is_in_the_image(service: str, image: Any) -> None:
    sources = {source for sources, _ in image(service).copies for source in sources}
    shared = SHARED.get(service, ("runtime",))
    assert sources == {"clients", "services/__init__.py", *(f"services/{folder}" for folder in (*shared, service))}


@every_service
def test_all_modules_are_compiled(service: str, image: Any) -> None:
    """Where the root is read-only, and without this, each process of each job spends a second on compiling them."""
    assert image(service).compiled


@every_service
def test_health(service: str, image: Any) -> None:
    [check] = image(service).last("HEALTHCHECK")
    [ports] = image(service).last("EXPOSE")
    assert f'["python", "-m", "services.runtime.probe", "{ports.split()[0]}"]' in check
