"""Each container's own command, started here as its manifest says: from the files that its image holds, with the
manifest's environment, its probes asked, and drained with SIGTERM.

What a test must change is changed visibly: ports to free ones, the address to loopback, mount points to folders.
"""

import os
import shutil
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import babelscope
import grpc
import pytest
from babelscope.errors import InvalidRequest, RpcError
from babelscope.transport.channel import TLS
from grpc_health.v1 import health_pb2, health_pb2_grpc

ROOT = Path(__file__).resolve().parents[3]
PREFIX = "babelscope-"
TOKEN = "a-token-of-a-test"

pytestmark = pytest.mark.slow


class Container:
    """A container of a rendered Deployment, as a process.

    Args:
        objects: The rendered manifests.
        service: Whose container.
        image: What its Dockerfile says.
        root: Stands for the container's root folder.
        free_port: Finds ports.
        changes: Variables that the test sets.
    """

    def __init__(
        self,
        objects: list[dict[str, Any]],
        service: str,
        image: Any,
        *,
        root: Path,
        free_port: Callable[[], int],
        changes: dict[str, str],
    ) -> None:
        self.root = root
        deployment = _find(objects, "Deployment", service)
        [self.manifest] = deployment["spec"]["template"]["spec"]["containers"]
        self.ports = {port["containerPort"]: free_port() for port in self.manifest["ports"]}
        for mount in self.manifest["volumeMounts"]:
            (root / mount["mountPath"].lstrip("/")).mkdir(parents=True, exist_ok=True)
        for sources, target in image.copies:
            for source in sources:
                _copy(ROOT / source, root / target.lstrip("/"))
        self.home = root / "home"
        self.home.mkdir()
        self.files = self._immutable()
        environment = {**self._environment(objects, image), **changes}
        command = [sys.executable if word == "python" else word for word in self.manifest["command"]]
        self.log = (root / "log").open("wb")
        self.process = subprocess.Popen(
            command, cwd=root / "app", env=environment, stdout=self.log, stderr=subprocess.STDOUT
        )

    def _environment(self, objects: list[dict[str, Any]], image: Any) -> dict[str, str]:
        """The container's whole environment: the image's, the ConfigMaps', the manifest's, in this order."""
        values: dict[str, str] = dict(image.environment)
        configurations = {item["metadata"]["name"]: item["data"] for item in objects if item["kind"] == "ConfigMap"}
        for source in self.manifest["envFrom"]:
            values.update(configurations[source["configMapRef"]["name"]])
        for item in self.manifest["env"]:
            values[item["name"]] = self._value(item["valueFrom"])
        for name, value in values.items():
            if name.startswith("BABELSCOPE_") and name.endswith("PORT"):
                values[name] = str(self.ports[int(value)])
            elif value.startswith("/"):
                values[name] = os.pathsep.join(f"{self.root}{part}" for part in value.split(os.pathsep))
        assert values["BABELSCOPE_HOST"] == "0.0.0.0"
        return {**values, "BABELSCOPE_HOST": "127.0.0.1", "PATH": os.environ["PATH"], "HOME": str(self.home)}

    def _value(self, source: dict[str, Any]) -> str:
        """What a reference stands for."""
        if "secretKeyRef" in source:
            return TOKEN
        section, name = source["resourceFieldRef"]["resource"].split(".")
        return str(self.manifest["resources"][section][name])

    def _immutable(self) -> set[Path]:
        """All files of the image; its root is read-only."""
        return {path for folder in ("app", "home") for path in (self.root / folder).rglob("*")}

    def probe(self, name: str) -> None:
        """Passes a probe of the manifest, as kubelet asks it: without TLS, without a token."""
        probe = self.manifest[name]["grpc"]
        with grpc.insecure_channel(f"127.0.0.1:{self.ports[probe['port']]}") as channel:
            request = health_pb2.HealthCheckRequest(service=probe.get("service", ""))
            if name == "startupProbe":
                for answer in health_pb2_grpc.HealthStub(channel).Watch(request, timeout=200, wait_for_ready=True):
                    if answer.status == health_pb2.HealthCheckResponse.SERVING:
                        return
                pytest.fail(self.tail())
            answer = health_pb2_grpc.HealthStub(channel).Check(request, timeout=self.manifest[name]["timeoutSeconds"])
            assert answer.status == health_pb2.HealthCheckResponse.SERVING

    def scrape(self) -> str:
        """What Prometheus sees."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.ports[9464]}/metrics", timeout=10) as answer:
            return str(answer.read().decode())

    def drain(self, grace: float) -> None:
        """Ends it as kubelet does, within its grace."""
        self.process.send_signal(signal.SIGTERM)
        assert self.process.wait(grace) == 0, self.tail()
        assert self._immutable() == self.files

    def tail(self) -> str:
        """The end of its log."""
        return (self.root / "log").read_text()[-4000:]


def _find(objects: list[dict[str, Any]], kind: str, service: str) -> dict[str, Any]:
    [found] = [item for item in objects if item["kind"] == kind and item["metadata"]["name"] == f"{PREFIX}{service}"]
    return found


def _copy(source: Path, target: Path) -> None:
    """What COPY does."""
    target.parent.mkdir(parents=True, exist_ok=True)
    if source.is_dir():
        shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
    else:
        shutil.copy(source, target)


Launch = Callable[..., Container]


@pytest.fixture
def launch(rendered: Any, image: Any, tmp_path: Path, free_port: Callable[[], int]) -> Iterator[Launch]:
    """Starts containers; kills what is left of them."""
    containers: list[Container] = []

    def start(path: str, service: str, prepare: Callable[[Path], None] | None = None, **changes: str) -> Container:
        root = tmp_path / service
        root.mkdir()
        if prepare is not None:
            prepare(root)
        containers.append(
            Container(rendered(path), service, image(service), root=root, free_port=free_port, changes=changes)
        )
        return containers[-1]

    yield start
    for container in containers:
        if container.process.poll() is None:
            container.process.kill()
            container.process.wait()
        container.log.close()


def grace(rendered: Any, path: str, service: str) -> float:
    """Seconds between SIGTERM and the kill."""
    spec = _find(rendered(path), "Deployment", service)["spec"]["template"]["spec"]
    return float(spec["terminationGracePeriodSeconds"])


@pytest.mark.parametrize("service", ["encoder", "metrics", "datagen"])
def test_a_container_starts_passes_its_probes_and_drains(service: str, launch: Launch, rendered: Any) -> None:
    container = launch("base", service)
    for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
        container.probe(probe)
    assert "grpc_server_handled_total" in container.scrape()
    assert "process_resident_memory_bytes" in container.scrape()
    began = time.monotonic()
    container.drain(grace(rendered, "base", service))
    assert time.monotonic() - began < grace(rendered, "base", service)


def test_the_images_own_health_check(launch: Launch, image: Any) -> None:
    container = launch("base", "metrics")
    container.probe("startupProbe")
    port = container.ports[50052]
    assert '"services.runtime.probe", "50052"' in image("metrics").last("HEALTHCHECK")[0]

    def check(**variables: str) -> int:
        environment = {"PYTHONPATH": f"{container.root}/app:{container.root}/app/clients", **variables}
        command = [sys.executable, "-m", "services.runtime.probe", "50052"]
        return subprocess.run(command, env=environment, stderr=subprocess.DEVNULL, check=False).returncode

    assert check(BABELSCOPE_PORT=str(port)) == 0
    assert check(BABELSCOPE_PORT="1", BABELSCOPE_HEALTH_PORT=str(port)) == 0
    assert check(BABELSCOPE_PORT="1") == 1


def test_the_mesh_with_mutual_tls_and_a_token(launch: Launch, authority: Any, rendered: Any) -> None:
    """Both containers of the overlay; a request goes from a client through metrics to the encoder and back."""
    home = authority("home")

    def secret(root: Path) -> None:
        identity = home.issue(root.name)
        (root / "tls").mkdir()
        shutil.copy(identity.certificate, root / "tls" / "tls.crt")
        shutil.copy(identity.key, root / "tls" / "tls.key")
        shutil.copy(home.certificate, root / "tls" / "ca.crt")

    encoder = launch("overlays/tls", "encoder", secret, BABELSCOPE_HUB="false")
    metrics = launch("overlays/tls", "metrics", secret, BABELSCOPE_ENCODER=f"localhost:{encoder.ports[50051]}")
    for container in (encoder, metrics):
        for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
            container.probe(probe)

    address = f"encoder=localhost:{encoder.ports[50051]},metrics=localhost:{metrics.ports[50052]}"
    person = home.issue("person")
    tls = TLS(root=home.certificate, certificate=person.certificate, key=person.key)
    views = {name: babelscope.View(texts=["one", "two", "three", "four"], model="../secret") for name in ("a", "b")}
    with babelscope.connect(address, tls=tls, token=TOKEN, timeout=60) as mesh:
        assert mesh.encoder.list_models() == []
        with pytest.raises(InvalidRequest) as caught:
            mesh.metrics.compare(views, timeout=60)
        assert "name" in caught.value.field
    with babelscope.connect(address, tls=tls, token="another", timeout=5) as mesh, pytest.raises(RpcError) as refused:
        mesh.encoder.list_models()
    assert refused.value.status == "UNAUTHENTICATED"
    for container, service in ((metrics, "metrics"), (encoder, "encoder")):
        container.drain(grace(rendered, "overlays/tls", service))
        assert "certificate" not in container.tail()
