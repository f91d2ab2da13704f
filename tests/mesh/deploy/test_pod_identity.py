"""A store whose pods hold no keys: credentials come from where a cloud hands them out, as the component expects."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import boto3
import pytest
from moto.server import ThreadedMotoServer

from services.runtime.errors import Unavailable
from services.runtime.files.store import Store

BUCKET = "bucket"


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    server.start()
    host, port = server.get_host_and_port()
    client = boto3.client(
        "s3",
        endpoint_url=f"http://{host}:{port}",
        region_name="us-east-1",
        aws_access_key_id="maker",
        aws_secret_access_key="maker",
    )
    client.create_bucket(Bucket=BUCKET)
    client.close()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture(autouse=True)
def no_keys(endpoint: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine without keys; the address of S3 alone, as the page tells a team to give it."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE", "AWS_ENDPOINT_URL"):
        monkeypatch.delenv(name, raising=False)
    for name, value in {
        "HOME": str(tmp_path),
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ENDPOINT_URL_S3": endpoint,
        "NO_PROXY": "127.0.0.1",
    }.items():
        monkeypatch.setenv(name, value)


def test_without_an_identity_the_store_says_so() -> None:
    with pytest.raises(Unavailable, match="NoCredentials"):
        Store(f"s3://{BUCKET}/team").put("maps", b"data")


def test_roles_for_service_accounts(endpoint: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """IRSA: a token of the cluster is traded for credentials at STS."""
    (tmp_path / "token").write_text("a.projected.token")
    monkeypatch.setenv("AWS_WEB_IDENTITY_TOKEN_FILE", str(tmp_path / "token"))
    monkeypatch.setenv("AWS_ROLE_ARN", "arn:aws:iam::111122223333:role/babelscope")
    monkeypatch.setenv("AWS_ENDPOINT_URL_STS", endpoint)
    store = Store(f"s3://{BUCKET}/team")
    assert store.get(store.put("maps", b"of a role")) == b"of a role"


class _Agent(BaseHTTPRequestHandler):
    """EKS Pod Identity's agent on the node."""

    def do_GET(self) -> None:
        known = self.headers["Authorization"] == "a-token-of-the-pod"
        said = {
            "AccessKeyId": "ASIA",
            "SecretAccessKey": "secret",
            "Token": "session",
            "Expiration": "2999-01-01T00:00:00Z",
        }
        body = json.dumps(said).encode()
        self.send_response(200 if known else 401)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Says nothing."""


def test_pod_identity(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with HTTPServer(("127.0.0.1", 0), _Agent) as agent:
        thread = threading.Thread(target=agent.serve_forever)
        thread.start()
        (tmp_path / "token").write_text("a-token-of-the-pod")
        address = f"http://127.0.0.1:{agent.server_port}/v1/credentials"
        monkeypatch.setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", address)
        monkeypatch.setenv("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", str(tmp_path / "token"))
        store = Store(f"s3://{BUCKET}/team")
        assert store.get(store.put("maps", b"of a pod")) == b"of a pod"
        agent.shutdown()
        thread.join()
