"""The deployment as its tools see it: rendered manifests, and Dockerfiles taken apart."""

import json
import os
import re
import shlex
import shutil
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support.containers import Container, of_deployment
from tests.support.postgres import running_postgres

ROOT = Path(__file__).resolve().parents[3]
TOKEN = "a-token-of-a-test"


K8S = ROOT / "deploy" / "k8s"
OVERLAYS = ("base", *sorted(f"overlays/{path.parent.name}" for path in K8S.glob("overlays/*/kustomization.yaml")))
"""All that can be applied as it is."""
COMPONENTS = (
    *("ray", "gpu", "gpu-trainer", "s3", "egress-s3", "proxy", "pod-identity", "tls"),
    *("one-node", "monitoring", "autoscaling"),
)
"""All components, in the order in which they are listed: those that add objects before those that change them."""


@cache
def render(path: str) -> list[dict[str, Any]]:
    """The objects of a kustomization below deploy/k8s, or anywhere, rendered by the real tool."""
    tools = {"kubectl": ["kubectl", "kustomize"], "kustomize": ["kustomize", "build"]}
    command = next((words for name, words in tools.items() if shutil.which(name)), None)
    if command is None:
        pytest.skip("neither kubectl nor kustomize is installed: the manifests are not rendered")
    done = subprocess.run([*command, str(K8S / path)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert not done.stderr, done.stderr
    return list(yaml.safe_load_all(done.stdout))


@pytest.fixture
def rendered() -> Callable[[str], list[dict[str, Any]]]:
    """Renders `base` or an overlay."""
    return render


def kustomization(folder: Path, components: Sequence[str]) -> str:
    """Writes a kustomization of the base with components, as a team would.

    Args:
        folder: Receives it.
        components: Their names, in the order of the list.

    Returns:
        Its path, for `render`.
    """
    folder.mkdir(parents=True, exist_ok=True)
    start = os.path.relpath(K8S, folder.resolve())
    (folder / "kustomization.yaml").write_text(
        yaml.safe_dump(
            {
                "apiVersion": "kustomize.config.k8s.io/v1beta1",
                "kind": "Kustomization",
                "resources": [f"{start}/base"],
                "components": [f"{start}/components/{name}" for name in components],
            }
        )
    )
    return str(folder)


@dataclass
class Image:
    """A Dockerfile: its instructions, and what its last stage leaves in the image.

    Attributes:
        instructions: Name and text of each, in order, of all stages.
        stages: Where each stage begins in `instructions`.
        copies: Sources and target of the last stage's copies out of the repository.
        environment: Variables of the last stage.
        command: What the container runs.
        compiled: Whether the modules that were copied were compiled.
    """

    instructions: list[tuple[str, str]]
    stages: list[int] = field(default_factory=list)
    copies: list[tuple[list[str], str]] = field(default_factory=list)
    environment: dict[str, str] = field(default_factory=dict)
    command: list[str] = field(default_factory=list)
    compiled: bool = False

    def last(self, name: str) -> list[str]:
        """Texts of the last stage's instructions of a name."""
        return [text for kind, text in self.instructions[self.stages[-1] :] if kind == name]


def parse(path: Path) -> Image:
    """Takes a Dockerfile apart."""
    lines = [line for line in path.read_text().splitlines() if not line.lstrip().startswith("#")]
    joined = re.sub(r"\\\n\s*", " ", "\n".join(lines))
    instructions = [
        (words[0].upper(), words[1]) for line in joined.splitlines() if len(words := line.split(None, 1)) == 2
    ]
    image = Image(instructions)
    image.stages = [index for index, (name, _) in enumerate(instructions) if name == "FROM"]
    workdir = Path("/")
    for name, text in instructions[image.stages[-1] :]:
        if name == "WORKDIR":
            workdir /= text
        elif name == "COPY" and "--from" not in text:
            *sources, target = text.split()
            image.copies.append((sources, str(workdir / target)))
            image.compiled = False
        elif name == "RUN" and "-m compileall" in text:
            image.compiled = text.split()[-1] == str(workdir)
        elif name == "ENV":
            image.environment.update(word.split("=", 1) for word in shlex.split(text))
        elif name == "CMD":
            image.command = json.loads(text)
    return image


@pytest.fixture
def image() -> Callable[[str], Image]:
    """Takes the Dockerfile of a service apart."""
    return lambda service: parse(ROOT / "deploy" / "docker" / f"{service}.Dockerfile")


@pytest.fixture(scope="session")
def database() -> Iterator[str]:
    """The address of a PostgreSQL, as the secret holds it."""
    with running_postgres() as server:
        yield server.url


@pytest.fixture
def launch(
    rendered: Any, image: Any, tmp_path: Path, free_port: Callable[[], int], request: pytest.FixtureRequest
) -> Iterator[Callable[..., Container]]:
    """Starts the containers of Deployments, whose claims are folders that all of a test share; kills what is left."""
    containers: list[Container] = []

    def start(
        path: str,
        service: str,
        prepare: Callable[[Path], None] | None = None,
        secrets: Mapping[str, Mapping[str, str]] | None = None,
        **changes: str,
    ) -> Container:
        root = tmp_path / f"{service}-{len(containers)}"
        root.mkdir()
        if prepare is not None:
            prepare(root)
        known: dict[str, Mapping[str, str]] = {"babelscope-token": {"token": TOKEN}, **(secrets or {})}
        if service == "trainer":
            known.setdefault("babelscope-database", {"url": request.getfixturevalue("database")})
        spec = of_deployment(rendered(path), service, known)
        volumes = tmp_path / "volumes"
        containers.append(
            Container(spec, image(service), root=root, volumes=volumes, free_port=free_port, changes=changes)
        )
        return containers[-1]

    yield start
    for container in containers:
        container.close()
