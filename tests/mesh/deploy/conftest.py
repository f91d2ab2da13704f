"""The deployment as its tools see it: rendered manifests, and Dockerfiles taken apart."""

import json
import re
import shlex
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[3]


@cache
def render(path: str) -> list[dict[str, Any]]:
    """The objects of a kustomization, rendered by the real tool."""
    tools = {"kubectl": ["kubectl", "kustomize"], "kustomize": ["kustomize", "build"]}
    command = next((words for name, words in tools.items() if shutil.which(name)), None)
    if command is None:
        pytest.skip("neither kubectl nor kustomize is installed: the manifests are not rendered")
    done = subprocess.run([*command, str(ROOT / "deploy" / "k8s" / path)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert not done.stderr, done.stderr
    return list(yaml.safe_load_all(done.stdout))


@pytest.fixture
def rendered() -> Callable[[str], list[dict[str, Any]]]:
    """Renders `base`, `overlays/gpu` or `overlays/tls`."""
    return render


@dataclass
class Image:
    """A Dockerfile: its instructions, and what its last stage leaves in the image.

    Attributes:
        instructions: Name and text of each, in order, of all stages.
        stages: Where each stage begins in `instructions`.
        copies: Sources and target of the last stage's copies out of the repository.
        environment: Variables of the last stage.
        command: What the container runs.
    """

    instructions: list[tuple[str, str]]
    stages: list[int] = field(default_factory=list)
    copies: list[tuple[list[str], str]] = field(default_factory=list)
    environment: dict[str, str] = field(default_factory=dict)
    command: list[str] = field(default_factory=list)

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
        elif name == "ENV":
            image.environment.update(word.split("=", 1) for word in shlex.split(text))
        elif name == "CMD":
            image.command = json.loads(text)
    return image


@pytest.fixture
def image() -> Callable[[str], Image]:
    """Takes the Dockerfile of a service apart."""
    return lambda service: parse(ROOT / "deploy" / "docker" / f"{service}.Dockerfile")
