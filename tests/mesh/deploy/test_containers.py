"""Each container's own command, started here as its manifest says: from the files that its image holds, with the
manifest's environment, its probes asked, and drained with SIGTERM.
"""

import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import babelscope
import pytest
from babelscope.errors import InvalidRequest, RpcError
from babelscope.packaged import packaged_models
from babelscope.transport.channel import TLS

from tests.mesh.deploy.conftest import TOKEN
from tests.mesh.deploy.queries import exported_by, families
from tests.support.containers import Container
from tests.support.postgres import running_postgres

pytestmark = pytest.mark.slow

Launch = Callable[..., Container]


def passes(container: Container, service: str) -> None:
    """The container starts, passes its probes, and exports what is read of it."""
    container.ready()
    exported = families(container.scrape())
    assert {"grpc_server_handled", "process_resident_memory_bytes"} <= exported
    # Whatever a dashboard, an alert or an autoscaler asks of this service is there.
    assert exported_by(service) <= exported


@pytest.mark.parametrize("service", ["encoder", "datagen"])
def test_a_container_starts_passes_its_probes_and_drains(service: str, launch: Launch) -> None:
    container = launch("base", service)
    passes(container, service)
    container.drain()


def test_two_trainers_do_and_make_the_tables_of_one_empty_database_at_once(launch: Launch) -> None:
    with running_postgres() as server:
        secrets = {"babelscope-database": {"url": server.database("empty")}}
        trainers = [launch("base", "trainer", None, secrets) for _ in range(2)]
        for trainer in trainers:
            passes(trainer, "trainer")
        addresses = [f"trainer=127.0.0.1:{trainer.ports[50054]}" for trainer in trainers]
        for address in addresses:
            with babelscope.connect(address, timeout=200) as mesh:
                assert list(mesh.trainer.list_jobs()) == []
        for trainer in trainers:
            trainer.drain()


def test_metrics_does_and_passes_the_images_own_health_check(launch: Launch, image: Any) -> None:
    container = launch("base", "metrics")
    passes(container, "metrics")
    port = container.ports[50052]
    assert '"services.runtime.probe", "50052"' in image("metrics").last("HEALTHCHECK")[0]

    def check(**variables: str) -> int:
        environment = {"PYTHONPATH": f"{container.root}/app:{container.root}/app/clients", **variables}
        command = [sys.executable, "-m", "services.runtime.probe", "50052"]
        return subprocess.run(command, env=environment, stderr=subprocess.DEVNULL, check=False).returncode

    assert check(BABELSCOPE_PORT=str(port)) == 0
    assert check(BABELSCOPE_PORT="1", BABELSCOPE_HEALTH_PORT=str(port)) == 0
    assert check(BABELSCOPE_PORT="1") == 1
    container.drain()


def test_the_mesh_with_mutual_tls_and_a_token(launch: Launch, authority: Any) -> None:
    """Containers of the overlay; a request goes from a client through metrics to the encoder and back."""
    home = authority("home")

    def secret(root: Path) -> None:
        identity = home.issue(root.name)
        (root / "tls").mkdir()
        shutil.copy(identity.certificate, root / "tls" / "tls.crt")
        shutil.copy(identity.key, root / "tls" / "tls.key")
        shutil.copy(home.certificate, root / "tls" / "ca.crt")

    encoder = launch("overlays/tls", "encoder", secret, BABELSCOPE_HUB="false")
    metrics = launch("overlays/tls", "metrics", secret, BABELSCOPE_ENCODER=f"localhost:{encoder.ports[50051]}")
    trainer = launch("overlays/tls", "trainer", secret)
    for container in (encoder, metrics, trainer):
        container.ready()

    ports = {"encoder": encoder.ports[50051], "metrics": metrics.ports[50052], "trainer": trainer.ports[50054]}
    address = ",".join(f"{name}=localhost:{port}" for name, port in ports.items())
    person = home.issue("person")
    tls = TLS(root=home.certificate, certificate=person.certificate, key=person.key)
    views = {name: babelscope.View(texts=["one", "two", "three", "four"], model="../secret") for name in ("a", "b")}
    with babelscope.connect(address, tls=tls, token=TOKEN, timeout=200) as mesh:
        assert [model.name for model in mesh.encoder.list_models()] == list(packaged_models())
        assert list(mesh.trainer.list_jobs()) == []
        with pytest.raises(InvalidRequest) as caught:
            mesh.metrics.compare(views, timeout=200)
        assert "name" in caught.value.field
    with babelscope.connect(address, tls=tls, token="another", timeout=200) as mesh:
        for call in (mesh.encoder.list_models, lambda: list(mesh.trainer.list_jobs())):
            with pytest.raises(RpcError) as refused:
                call()
            assert refused.value.status == "UNAUTHENTICATED"
    for container in (trainer, metrics, encoder):
        container.drain()
        assert "certificate" not in container.tail()
