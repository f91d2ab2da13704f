"""The store on S3, against a server that speaks its protocol."""

import os
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import boto3
import pytest
from babelscope.store.places import open_place
from babelscope.store.pruning import judge, remove
from babelscope.store.references import references
from moto.server import ThreadedMotoServer

from services.runtime.errors import DataLoss, FailedPrecondition, LimitExceeded, NotFound, Unavailable
from services.runtime.files import storage
from services.runtime.files.store import Store, digest_of


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def s3(endpoint: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A client of the server, with an empty bucket, and the environment that a store reads."""
    for name, value in {
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ENDPOINT_URL": endpoint,
        "NO_PROXY": "127.0.0.1",
    }.items():
        monkeypatch.setenv(name, value)
    client = boto3.client("s3")
    client.create_bucket(Bucket="bucket")
    yield client
    for item in client.list_objects_v2(Bucket="bucket").get("Contents", []):
        client.delete_object(Bucket="bucket", Key=item["Key"])
    client.delete_bucket(Bucket="bucket")
    client.close()


@pytest.fixture
def store(s3: Any) -> Store:
    del s3
    return Store("s3://bucket/team/store")


def test_what_is_put_is_got(store: Store, s3: Any, tmp_path: Path) -> None:
    data = os.urandom(100_000)
    name = store.put("maps", data, suffix=".safetensors")
    assert store.get(name) == data
    assert store.exists(name)
    assert store.size(name) == 100_000
    assert store.list() == store.list("maps/") == [name]
    keys = [item["Key"] for item in s3.list_objects_v2(Bucket="bucket")["Contents"]]
    assert keys == [f"team/store/maps/{digest_of(name)[:2]}/{digest_of(name)}.safetensors"]
    (tmp_path / "file").write_bytes(data)
    assert store.put("maps", tmp_path / "file", suffix=".safetensors") == name
    with store.open(name) as file:
        file.seek(50_000)
        assert file.read() == data[50_000:]
    # Another server sees it, and what is gone is gone at once.
    other = Store("s3://bucket/team/store")
    assert other.get(name) == data
    store.delete(name)
    store.delete(name)
    assert not other.exists(name)
    assert other.list() == []
    with pytest.raises(NotFound, match=name):
        other.get(name)


def test_an_object_of_several_parts(store: Store, tmp_path: Path) -> None:
    large = tmp_path / "large"
    with large.open("wb") as file:
        for number in range(40):
            file.write(bytes([number]) * (1 << 20))
    name = store.put("maps", large)
    with store.open(name) as file, large.open("rb") as original:
        while piece := original.read(1 << 20):
            assert file.read(1 << 20) == piece


def test_a_damaged_object_is_found_and_mended(store: Store, s3: Any) -> None:
    name = store.put("maps", b"precious")
    key = f"team/store/maps/{digest_of(name)[:2]}/{digest_of(name)}"
    for damaged in (b"precioux", b"prec", b""):
        s3.put_object(Bucket="bucket", Key=key, Body=damaged)
        with pytest.raises(DataLoss):
            store.get(name)
        with pytest.raises(DataLoss), store.open(name):
            pytest.fail("served")
    assert store.put("maps", b"precious") == name
    assert store.get(name) == b"precious"


def test_writers_at_once(store: Store) -> None:
    """The server of this test answers 500 now and then when two replace one object; the library tries again."""
    contents = [bytes([number % 3]) * 50_000 for number in range(12)]
    with ThreadPoolExecutor(6) as pool:
        names = list(pool.map(lambda data: store.put("maps", data), contents))
    assert [store.get(name) for name in names] == contents
    assert len(store.list()) == 3


def test_an_upload_that_fails_leaves_no_object(store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))  # killed writers of others left files in the usual one

    def write() -> None:
        with store.create("maps") as writer:
            writer.write(b"half")
            raise KeyError("the caller's own")

    with pytest.raises(KeyError):
        write()
    assert store.list() == []
    assert store.sweep() == 0


def test_probe(store: Store) -> None:
    store.probe()
    assert store.list() == []


@pytest.mark.usefixtures("s3")
def test_a_bucket_is_pruned_and_has_a_quota() -> None:
    store = Store("s3://bucket/pruned", 10)
    old, kept = store.put("maps", b"old", suffix=".safetensors"), store.put("maps", b"kept", suffix=".safetensors")
    with pytest.raises(LimitExceeded, match="at most 10 bytes, but it holds 7"):
        store.put("maps", b"more")
    place = open_place("s3://bucket/pruned")
    objects = list(place.objects())
    assert sorted((each.key, each.bytes) for each in objects) == sorted(
        ((old.partition(".")[0], 3), (kept.partition(".")[0], 4))
    )
    verdicts = judge(objects, references(place, objects), {kept.partition(".")[0]: "x"}, before=time.time() + 60)
    assert [each.object.key for each in remove(place, verdicts)] == [old.partition(".")[0]]
    assert store.list() == [kept]


@pytest.mark.usefixtures("s3")
def test_a_bucket_that_is_none_is_named() -> None:
    with pytest.raises(FailedPrecondition, match="store"):
        Store("s3://nosuch-bucket/x").probe()


@pytest.mark.usefixtures("s3")
def test_a_server_that_is_away_is_unavailable(monkeypatch: pytest.MonkeyPatch, free_port: Any) -> None:
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{free_port()}")
    away = Store("s3://bucket/elsewhere")
    with pytest.raises(Unavailable, match="cannot be reached"):
        away.get("maps/" + "0" * 64)


def test_any_place_of_fsspec_will_do() -> None:
    store = Store("memory://anywhere/store")
    name = store.put("maps", b"x")
    assert store.get(name) == b"x"
    assert store.list() == [name]
    store.delete(name)
    assert isinstance(storage.connect("memory://anywhere"), storage.Remote)
