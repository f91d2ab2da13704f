"""The compose file: what it says is what the images take, and its containers are a mesh that works."""

import json
import os
import re
import shlex
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import babelscope
import jsonschema
import pytest
import yaml
from babelscope import Example, Sentence, Word

from services.datagen.settings import DatagenSettings
from services.encoder.settings import EncoderSettings
from services.metrics.settings import MetricsSettings
from services.runtime import variables
from services.trainer.settings import TrainerSettings
from tests.mesh.deploy.conftest import ROOT, Image
from tests.support.containers import Container, Spec
from tests.support.tiny_models import build_model

FILE = ROOT / "deploy" / "compose.yaml"
SETTINGS = {
    "encoder": EncoderSettings,
    "metrics": MetricsSettings,
    "datagen": DatagenSettings,
    "trainer": TrainerSettings,
}

every_service = pytest.mark.parametrize("service", SETTINGS)


def composed() -> Any:
    """The file, its variables replaced by their defaults."""
    return yaml.safe_load(re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", FILE.read_text()))


def spec_of(service: str, image: Image) -> Spec:
    """What compose runs: the image's command in the environment and on the volumes of the file."""
    told = composed()["services"][service]
    volumes = dict(reversed(volume.split(":")) for volume in told["volumes"])
    return Spec(
        command=image.command,
        environment={name: value or "" for name, value in told["environment"].items()},
        ports=[int(port.rpartition(":")[2]) for port in told["ports"]],
        mounts={**volumes, **{place.partition(":")[0]: None for place in told["tmpfs"]}},
        grace=float(told["stop_grace_period"].removesuffix("s")),
    )


@every_service
def test_it_fits_the_image(service: str, image: Callable[[str], Image]) -> None:
    told, made = composed()["services"][service], image(service)
    assert (FILE.parent / told["build"]["context"]).resolve() == ROOT
    assert (ROOT / told["build"]["dockerfile"]).is_file()
    assert set(told["build"]["args"]) == {text.split("=")[0] for name, text in made.instructions if name == "ARG"}
    assert told["image"].split(":")[0] == f"babelscope-{service}"
    assert {port.rpartition(":")[2] for port in told["ports"]} == set(made.last("EXPOSE")[0].split())
    [user] = [text for name, text in made.instructions if name == "RUN" and "useradd" in text]
    for place in (volume.partition(":")[2] for volume in told["volumes"]):
        # A new volume belongs to whom the folder of the image belongs to.
        assert place in user.split(), place


@every_service
def test_its_settings_are_settings(service: str, monkeypatch: pytest.MonkeyPatch) -> None:
    environment = composed()["services"][service]["environment"]
    fields = {f"{variables.PREFIX}{field}".upper() for field in SETTINGS[service].model_fields}
    assert not {name for name in environment if name.startswith(variables.PREFIX)} - fields
    for name, value in environment.items():
        monkeypatch.setenv(name, str(value or ""))
    SETTINGS[service]()


@every_service
def test_only_this_machine_can_connect(service: str) -> None:
    told = composed()["services"][service]
    assert all(port.startswith("127.0.0.1:") for port in told["ports"])
    assert told["read_only"]
    assert told["cap_drop"] == ["ALL"]
    assert told["security_opt"] == ["no-new-privileges:true"]
    drain = SETTINGS[service].model_fields["drain_seconds"].default
    assert float(told["stop_grace_period"].removesuffix("s")) >= drain + 15


def test_ports_of_the_machine_are_given_once_and_volumes_are_declared() -> None:
    services = composed()["services"].values()
    ports = [port.rpartition(":")[0] for told in services for port in told["ports"]]
    assert len(set(ports)) == len(ports)
    volumes = {volume.partition(":")[0] for told in services for volume in told["volumes"]}
    assert volumes == composed()["volumes"].keys()
    for told in services:
        assert {"store:/store", "cache:/cache"} <= set(told["volumes"])


def test_peers_are_services_of_the_file() -> None:
    services = composed()["services"]
    for told in services.values():
        for name in ("ENCODER", "METRICS", "DATAGEN"):
            if address := told["environment"].get(f"BABELSCOPE_{name}"):
                host, _, port = address.partition(":")
                assert host == name.lower()
                assert services[host]["environment"]["BABELSCOPE_PORT"] == port


def test_the_gpu_file_adds_to_services_that_there_are() -> None:
    added = yaml.safe_load((FILE.parent / "compose.gpu.yaml").read_text())["services"]
    assert added.keys() <= composed()["services"].keys()
    for service, told in added.items():
        assert SETTINGS[service](device=told["environment"]["BABELSCOPE_DEVICE"])
        [device] = told["deploy"]["resources"]["reservations"]["devices"]
        assert device["capabilities"] == ["gpu"]


@every_service
def test_the_pages_docker_run_fits_the_image(service: str, image: Callable[[str], Image]) -> None:
    page = (ROOT / "docs" / "deploy.md").read_text()
    [common] = re.findall(r'^common="(.*?)"$', page, re.DOTALL | re.MULTILINE)
    [line] = [line for line in page.splitlines() if line.startswith(f"docker run $common --name {service} ")]
    words = shlex.split(line.replace("$common", common))
    assert words[-1] == composed()["services"][service]["image"]
    given = dict(words[at + 1].split("=", 1) for at, word in enumerate(words) if word == "--env")
    fields = {f"{variables.PREFIX}{field}".upper() for field in SETTINGS[service].model_fields}
    assert given.keys() <= fields
    told = composed()["services"][service]["environment"]
    assert {name: told[name] for name in given} == given
    port = str(SETTINGS[service].model_fields["port"].default)
    assert f"127.0.0.1:{port}:{port}" in words
    [user] = [text for name, text in image(service).instructions if name == "RUN" and "useradd" in text]
    mounted = {words[at + 1].partition(":")[2] for at, word in enumerate(words) if word == "--volume"}
    assert mounted <= set(user.split())
    assert {given[name] for name in given if name == "BABELSCOPE_SCRATCH_DIR"} <= mounted


def test_the_tool_takes_it() -> None:
    version = ["docker", "compose", "version"]
    if not shutil.which("docker") or subprocess.run(version, capture_output=True).returncode:
        pytest.skip("docker compose is not installed: the file was not read by the tool itself")
    files = ["--file", str(FILE), "--file", str(FILE.parent / "compose.gpu.yaml")]
    done = subprocess.run(["docker", "compose", *files, "config", "--quiet"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("name", ["compose.yaml", "compose.gpu.yaml"])
def test_the_files_are_valid_by_the_specification(name: str) -> None:
    schema = os.environ.get("COMPOSE_SCHEMA")
    if not schema:
        pytest.skip("COMPOSE_SCHEMA names no file: the compose files were not checked by the specification's schema")
    checked = jsonschema.Draft7Validator(json.loads(Path(schema).read_text()))
    checked.validate(yaml.safe_load((FILE.parent / name).read_text()))


@pytest.fixture
def start(
    image: Callable[[str], Image], tmp_path: Path, free_port: Callable[[], int]
) -> Iterator[Callable[..., Container]]:
    """Starts containers of the file; kills what is left of them."""
    containers: list[Container] = []

    def begin(service: str, **changes: str) -> Container:
        root, made = tmp_path / service, image(service)
        root.mkdir()
        spec, volumes = spec_of(service, made), tmp_path / "volumes"
        containers.append(Container(spec, made, root=root, volumes=volumes, free_port=free_port, changes=changes))
        return containers[-1]

    yield begin
    for container in containers:
        container.close()


@pytest.mark.slow
def test_its_containers_are_a_mesh(
    start: Callable[..., Container], image: Callable[[str], Image], tmp_path: Path
) -> None:
    """A dataset goes in, a model is fine-tuned on it and scored, and the encoder serves what came out."""
    build_model("bert", tmp_path / "models" / "tiny")
    local = {"BABELSCOPE_MODEL_ROOTS": str(tmp_path / "models"), "BABELSCOPE_HUB": "false"}
    running = {"datagen": start("datagen"), "encoder": start("encoder", **local)}

    def reached(service: str) -> str:
        port = int(composed()["services"][service]["environment"]["BABELSCOPE_PORT"])
        return f"127.0.0.1:{running[service].ports[port]}"

    running["metrics"] = start("metrics", BABELSCOPE_ENCODER=reached("encoder"))
    peers = {f"BABELSCOPE_{name}".upper(): reached(name) for name in ("datagen", "encoder", "metrics")}
    running["trainer"] = start("trainer", **local, **peers)
    for service, container in running.items():
        [check] = image(service).last("HEALTHCHECK")
        container.healthy(json.loads(check[check.index("[") :]))
    words = (Word("the", upos="DET"), Word("cat", upos="NOUN"), Word("sees", upos="VERB"))
    examples = [Example(f"e{number}", Sentence(words, "the cat sees"), "en") for number in range(12)]
    address = ",".join(f"{service}={reached(service)}" for service in running)
    with babelscope.connect(address, timeout=200) as mesh:
        data = {"en": mesh.datagen.put_dataset(examples).name}
        job = mesh.trainer.fine_tune("tiny", "pos", data, dev=data, epochs=1, step_tokens=128, seed=0)
        job = mesh.trainer.wait_for_job(job.name)
        assert job.state == "succeeded", (job, running["trainer"].tail())
        assert mesh.encoder.encode(["the cat sees"], model=job.checkpoint).array.shape[0] == 1
    for container in running.values():
        container.drain()
