"""Containers as processes of this machine: the command and the environment that a manifest or a compose file gives
them, run on the files that their image holds.

What is changed is changed visibly: ports to free ones, the address to loopback, mount points to folders.
"""

import os
import shutil
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

ROOT = Path(__file__).resolve().parents[2]
PROBES = ("startupProbe", "readinessProbe", "livenessProbe")


@dataclass(frozen=True)
class Spec:
    """What a container is told to run.

    Attributes:
        command: Its words.
        environment: Variables beside the image's own.
        ports: Ports that it listens on.
        mounts: Mount points, with the name of the shared volume behind each; None for a folder of its own.
        probes: Those of a pod, by name.
        grace: Seconds between SIGTERM and the kill.
    """

    command: Sequence[str]
    environment: Mapping[str, str]
    ports: Sequence[int]
    mounts: Mapping[str, str | None]
    probes: Mapping[str, Any] = field(default_factory=dict)
    grace: float = 60.0


def of_deployment(objects: Sequence[Mapping[str, Any]], service: str, secrets: Mapping[str, Mapping[str, str]]) -> Spec:
    """The only container of a rendered Deployment.

    Args:
        objects: The rendered manifests.
        service: Whose Deployment.
        secrets: Data of the secrets that the manifests expect, by name and key.
    """
    name = f"babelscope-{service}"
    [deployment] = [each for each in objects if each["kind"] == "Deployment" and each["metadata"]["name"] == name]
    pod = deployment["spec"]["template"]["spec"]
    [manifest] = pod["containers"]
    configurations = {each["metadata"]["name"]: each["data"] for each in objects if each["kind"] == "ConfigMap"}
    values: dict[str, str] = {}
    for source in manifest["envFrom"]:
        if "configMapRef" in source:
            values.update(configurations[source["configMapRef"]["name"]])
        else:
            secret = source["secretRef"]
            values.update(secrets.get(secret["name"], {}) if secret.get("optional") else secrets[secret["name"]])
    for item in manifest["env"]:
        values[item["name"]] = item["value"] if "value" in item else _value(item["valueFrom"], manifest, secrets)
    claims = {
        volume["name"]: volume["persistentVolumeClaim"]["claimName"]
        for volume in pod["volumes"]
        if "persistentVolumeClaim" in volume
    }
    return Spec(
        command=manifest["command"],
        environment=values,
        ports=[port["containerPort"] for port in manifest["ports"]],
        mounts={mount["mountPath"]: claims.get(mount["name"]) for mount in manifest["volumeMounts"]},
        probes={probe: manifest[probe] for probe in PROBES},
        grace=float(pod["terminationGracePeriodSeconds"]),
    )


def _value(source: Mapping[str, Any], manifest: Mapping[str, Any], secrets: Mapping[str, Mapping[str, str]]) -> str:
    """What a reference stands for."""
    if "secretKeyRef" in source:
        return secrets[source["secretKeyRef"]["name"]][source["secretKeyRef"]["key"]]
    section, name = source["resourceFieldRef"]["resource"].split(".")
    return str(manifest["resources"][section][name])


class Container:
    """A running container.

    Args:
        spec: What it runs.
        image: What its Dockerfile says.
        root: Stands for its root folder.
        volumes: Holds the shared volumes, by name.
        free_port: Finds ports.
        changes: Variables that a test sets.
    """

    def __init__(
        self,
        spec: Spec,
        image: Any,
        *,
        root: Path,
        volumes: Path,
        free_port: Callable[[], int],
        changes: Mapping[str, str],
    ) -> None:
        self.spec, self.root = spec, root
        self.ports = {port: free_port() for port in spec.ports}
        for path, volume in spec.mounts.items():
            _mount(root / path.lstrip("/"), None if volume is None else volumes / volume)
        for sources, target in image.copies:
            for source in sources:
                _copy(ROOT / source, root / target.lstrip("/"), compiled=image.compiled)
        self._home = root / "home"
        self._home.mkdir(exist_ok=True)
        self._files = self._immutable()
        self.environment = {**self._translated({**image.environment, **spec.environment}), **changes}
        command = [sys.executable if word == "python" else word for word in spec.command]
        self.log = (root / "log").open("wb")
        self.process = subprocess.Popen(
            command, cwd=root / "app", env=self.environment, stdout=self.log, stderr=subprocess.STDOUT
        )

    def _translated(self, values: Mapping[str, str]) -> dict[str, str]:
        """The environment with this machine's ports and folders in it."""
        assert values["BABELSCOPE_HOST"] == "0.0.0.0"
        found = dict(values)
        for name, value in values.items():
            if name.startswith("BABELSCOPE_") and name.endswith("PORT"):
                found[name] = str(self.ports[int(value)])
            elif value.startswith("/"):
                found[name] = os.pathsep.join(f"{self.root}{part}" for part in value.split(os.pathsep))
            elif value.startswith("sqlite:////"):
                found[name] = value.replace("sqlite:///", f"sqlite:///{self.root}")
        return {**found, "BABELSCOPE_HOST": "127.0.0.1", "PATH": os.environ["PATH"], "HOME": str(self._home)}

    def _immutable(self) -> set[Path]:
        """All files of the image; its root is read-only."""
        return {path for folder in ("app", "home") for path in (self.root / folder).rglob("*")}

    def serving(self, port: int) -> None:
        """Waits until the server behind one of its ports is serving."""
        with grpc.insecure_channel(f"127.0.0.1:{self.ports[port]}") as channel:
            request = health_pb2.HealthCheckRequest()
            for answer in health_pb2_grpc.HealthStub(channel).Watch(request, timeout=280, wait_for_ready=True):
                if answer.status == health_pb2.HealthCheckResponse.SERVING:
                    return
        pytest.fail(self.tail())

    def probe(self, name: str) -> None:
        """Passes a probe of the manifest, as kubelet asks it: without TLS, without a token, as often as it may fail."""
        probe = self.spec.probes[name]["grpc"]
        if name == "startupProbe":
            assert "service" not in probe
            self.serving(probe["port"])
            return
        with grpc.insecure_channel(f"127.0.0.1:{self.ports[probe['port']]}") as channel:
            request = health_pb2.HealthCheckRequest(service=probe.get("service", ""))
            timeout = self.spec.probes[name]["timeoutSeconds"]
            for left in reversed(range(self.spec.probes[name]["failureThreshold"])):
                try:
                    answer = health_pb2_grpc.HealthStub(channel).Check(request, timeout=timeout)
                except grpc.RpcError as error:
                    if left and error.code() is grpc.StatusCode.DEADLINE_EXCEEDED:
                        continue
                    raise
                assert answer.status == health_pb2.HealthCheckResponse.SERVING
                return

    def ready(self) -> None:
        """Passes all probes of the manifest."""
        for name in PROBES:
            self.probe(name)

    def healthy(self, check: Sequence[str]) -> None:
        """Passes the image's own health check, run within the container.

        Args:
            check: Its words; the last one is the port.
        """
        self.serving(int(check[-1]))
        command = [sys.executable if word == "python" else word for word in check]
        done = subprocess.run(command, cwd=self.root / "app", env=self.environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr + self.tail()

    def scrape(self) -> str:
        """What Prometheus sees."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.ports[9464]}/metrics", timeout=200) as answer:
            return str(answer.read().decode())

    def drain(self) -> None:
        """Ends it as kubelet does, within its grace."""
        self.process.send_signal(signal.SIGTERM)
        assert self.process.wait(self.spec.grace) == 0, self.tail()
        assert self._immutable() == self._files

    def close(self) -> None:
        """Kills what is left of it."""
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        self.log.close()

    def tail(self) -> str:
        """The end of its log."""
        return (self.root / "log").read_text()[-4000:]


def _mount(place: Path, volume: Path | None) -> None:
    """What a mount does: a folder of its own, or one that others see too."""
    place.parent.mkdir(parents=True, exist_ok=True)
    if volume is None:
        place.mkdir(exist_ok=True)
    else:
        volume.mkdir(parents=True, exist_ok=True)
        place.symlink_to(volume)


def _copy(source: Path, target: Path, *, compiled: bool) -> None:
    """What COPY does, and the compiler after it: what this checkout has compiled already is taken from there."""
    target.parent.mkdir(parents=True, exist_ok=True)
    if source.is_dir():
        shutil.copytree(source, target, ignore=None if compiled else shutil.ignore_patterns("__pycache__"))
    else:
        shutil.copy(source, target)
