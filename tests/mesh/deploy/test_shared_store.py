"""What one pod writes another reads: containers over one volume, or over one bucket behind a proxy."""

import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import babelscope
import boto3
import numpy as np
import pytest
from babelscope import Example, Sentence, Word
from babelscope.transport.retry import RetryPolicy
from moto.server import ThreadedMotoServer

from services.runtime.files.store import Store
from tests.mesh.deploy.conftest import kustomization, render
from tests.support.containers import Container
from tests.support.encoder_calls import sentences
from tests.support.forward_proxy import ForwardProxy, running_proxy
from tests.support.models import make_root

pytestmark = pytest.mark.slow

BUCKET = "bucket"
# A name that no resolver knows: only the proxy can reach it.
S3 = "s3.example.test:9000"
KEYS = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_DEFAULT_REGION": "us-east-1"}


@dataclass(frozen=True)
class Bucket:
    """An S3 server with a bucket, and the proxy before it."""

    address: str
    proxy: ForwardProxy

    @property
    def secret(self) -> dict[str, str]:
        """What `babelscope-store` holds."""
        return {"BABELSCOPE_STORE_URL": f"s3://{BUCKET}/team", "AWS_ENDPOINT_URL": f"http://{S3}", **KEYS}

    def through_proxy(self) -> dict[str, str]:
        """The proxy's address in all its spellings; what goes past it is as the manifest says."""
        return dict.fromkeys(("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"), self.proxy.url)


@pytest.fixture
def bucket() -> Iterator[Bucket]:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    server.start()
    host, port = server.get_host_and_port()
    address = f"http://{host}:{port}"
    client = boto3.client(
        "s3",
        endpoint_url=address,
        region_name=KEYS["AWS_DEFAULT_REGION"],
        aws_access_key_id=KEYS["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=KEYS["AWS_SECRET_ACCESS_KEY"],
    )
    client.create_bucket(Bucket=BUCKET)
    with running_proxy((host, port)) as proxy:
        yield Bucket(address, proxy)
    # All servers of a process share what they hold.
    urllib.request.urlopen(f"{address}/moto-api/reset", data=b"").close()
    client.close()
    server.stop()


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A root with the model `tiny`."""
    return str(make_root(tmp_path_factory.mktemp("models")))


def map_and_apply(encoder: Container, metrics: Container, stored: Callable[[str], bytes], folder: Path) -> None:
    """Has metrics fit a map, and the encoder apply it by its name."""
    address = f"encoder=127.0.0.1:{encoder.ports[50051]},metrics=127.0.0.1:{metrics.ports[50052]}"
    source = sentences(60, seed=1)
    with babelscope.connect(address, timeout=200) as mesh:
        found = mesh.metrics.fit_map(source, sentences(60, seed=2), model="tiny", layers=(2,))[2]
        edit = found.intervention(matrix_only=True)
        mapped = mesh.encoder.encode(source, model="tiny", layers=(2,), interventions=[edit]).array[:, 0]
        plain = mesh.encoder.encode(source, model="tiny", layers=(2,)).array[:, 0]
    (folder / "map.safetensors").write_bytes(stored(found.source_map))
    matrix = babelscope.load_map(folder / "map.safetensors").matrix
    assert not np.allclose(mapped, plain, atol=1e-2)
    np.testing.assert_allclose(mapped, plain @ matrix, rtol=0, atol=2e-5)


def test_a_map_that_metrics_fitted_is_applied_by_the_encoder(
    launch: Callable[..., Container], models: str, tmp_path: Path
) -> None:
    encoder = launch("base", "encoder", BABELSCOPE_MODEL_ROOTS=models, BABELSCOPE_HUB="false")
    metrics = launch("base", "metrics", BABELSCOPE_ENCODER=f"127.0.0.1:{encoder.ports[50051]}")
    for container in (encoder, metrics):
        container.ready()
    map_and_apply(encoder, metrics, Store(str(tmp_path / "volumes" / "babelscope-store")).get, tmp_path)
    for container in (encoder, metrics):
        container.drain()


def test_the_same_on_s3_through_a_proxy(
    launch: Callable[..., Container], models: str, bucket: Bucket, tmp_path: Path
) -> None:
    path = kustomization(tmp_path / "team", ["s3", "egress-s3", "proxy"])
    secrets = {"babelscope-store": bucket.secret}
    changes = bucket.through_proxy()
    encoder = launch(path, "encoder", None, secrets, BABELSCOPE_MODEL_ROOTS=models, BABELSCOPE_HUB="false", **changes)
    address = f"127.0.0.1:{encoder.ports[50051]}"
    metrics = launch(path, "metrics", None, secrets, BABELSCOPE_ENCODER=address, **changes)
    for container in (encoder, metrics):
        container.ready()

    def stored(name: str) -> bytes:
        kind, _, file = name.partition("/")
        client = boto3.client(
            "s3",
            endpoint_url=bucket.address,
            region_name=KEYS["AWS_DEFAULT_REGION"],
            aws_access_key_id=KEYS["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=KEYS["AWS_SECRET_ACCESS_KEY"],
        )
        try:
            return bytes(client.get_object(Bucket=BUCKET, Key=f"team/{kind}/{file[:2]}/{file}")["Body"].read())
        finally:
            client.close()

    map_and_apply(encoder, metrics, stored, tmp_path)
    assert bucket.proxy.asked == {S3}
    assert not bucket.proxy.refused
    assert not (tmp_path / "volumes" / "babelscope-store").exists()
    for container in (encoder, metrics):
        container.drain()


@pytest.mark.parametrize(
    ("host", "asked"),
    [
        ("babelscope-encoder", False),
        ("babelscope-encoder.team.svc", False),
        ("babelscope-encoder.team.svc.cluster.local", False),
        ("encoder.example.test", True),
    ],
)
def test_the_mesh_goes_past_the_proxy(
    host: str, asked: bool, bucket: Bucket, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """gRPC obeys the variables of a proxy too, by rules of its own."""
    objects = render(kustomization(tmp_path / "team", ["proxy"]))
    [settings] = [
        item["data"]
        for item in objects
        if item["kind"] == "ConfigMap" and item["metadata"]["name"].startswith("babelscope-proxy")
    ]
    for name, value in {**settings, **bucket.through_proxy()}.items():
        monkeypatch.setenv(name, value)
    once = RetryPolicy(first_patience=0)
    with (
        babelscope.connect(f"encoder=dns:///{host}:50051", timeout=60, retry=once) as mesh,
        pytest.raises(babelscope.RpcError) as failed,
    ):
        mesh.encoder.list_models()
    assert failed.value.status == "UNAVAILABLE"
    # Other libraries of the process may ask it for something of their own.
    assert (f"{host}:50051" in bucket.proxy.refused) == asked


def test_a_dataset_outlives_its_pod(launch: Callable[..., Container]) -> None:
    example = Example("one", Sentence((Word("Katten"), Word("sover")), "Katten sover"), "sv")
    first = launch("base", "datagen")
    first.ready()
    with babelscope.connect(f"datagen=127.0.0.1:{first.ports[50053]}", timeout=200) as mesh:
        name = mesh.datagen.put_dataset([example]).name
    first.drain()
    second = launch("base", "datagen")
    second.ready()
    with babelscope.connect(f"datagen=127.0.0.1:{second.ports[50053]}", timeout=200) as mesh:
        [read] = list(mesh.datagen.get_dataset(name))
    assert read.id == "one"
    second.drain()
