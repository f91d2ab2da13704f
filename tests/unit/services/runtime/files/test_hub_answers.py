"""Answers of a hub that means harm, over real connections on loopback."""

import gzip
import json
import threading
import tracemalloc
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx
import pytest
from huggingface_hub import constants

from services.models.files.hub import Hub
from services.runtime.errors import NotFound
from services.runtime.files import hub_answers
from services.runtime.files.hub_answers import HubAnswerRefused, bounded

WORDS = json.dumps({"words": list(range(40_000))}).encode()
BOMB = gzip.compress(bytes(64 << 20), 9)


class _Handler(BaseHTTPRequestHandler):
    """Answers by the last part of the path."""

    protocol_version = "HTTP/1.1"

    def do_HEAD(self) -> None:
        self._begin(gzip.compress(WORDS), {"Content-Encoding": "gzip"})

    def do_GET(self) -> None:
        packed = gzip.compress(WORDS)
        try:
            match self.path.rpartition("/")[2]:
                case "plain":
                    self._all(WORDS)
                case "packed":
                    self._all(packed, {"Content-Encoding": "gzip"})
                case "early":
                    self._all(packed[:-9], {"Content-Encoding": "gzip"})
                case "no-gzip":
                    self._all(WORDS, {"Content-Encoding": "gzip"})
                case "more":
                    self._chunks([packed, *[bytes(1 << 16)] * 64], {"Content-Encoding": "gzip"})
                case "brotli":
                    self._all(WORDS, {"Content-Encoding": "br"})
                case "endless":
                    self._chunks([bytes(1 << 16)] * 4096)
                case "slow":
                    self._begin(b"", {"Content-Length": "1000"})
                    for _ in range(1000):
                        self.wfile.write(b"x")
                        self.server.over.wait(0.02)  # type: ignore[attr-defined]
                case _:  # a bomb, whatever the hub's client asks for
                    self._all(BOMB, {"Content-Encoding": "gzip"})
        except OSError:
            self.close_connection = True  # the client has had enough

    def log_message(self, *_: object) -> None:
        """Says nothing."""

    def _begin(self, content: bytes, headers: dict[str, str]) -> None:
        self.send_response(200)
        for name, value in {"Content-Length": str(len(content)), **headers}.items():
            if value:
                self.send_header(name, value)
        self.end_headers()

    def _all(self, content: bytes, headers: dict[str, str] | None = None) -> None:
        self._begin(content, headers or {})
        self.wfile.write(content)

    def _chunks(self, chunks: list[bytes], headers: dict[str, str] | None = None) -> None:
        self._begin(b"", {"Content-Length": "", "Transfer-Encoding": "chunked", **(headers or {})})
        for chunk in chunks:
            self.wfile.write(f"{len(chunk):x}\r\n".encode() + chunk + b"\r\n")
        self.wfile.write(b"0\r\n\r\n")


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    """Where such a hub is."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    server.over = threading.Event()  # type: ignore[attr-defined]
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.over.set()  # type: ignore[attr-defined]
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def client() -> Iterator[httpx.Client]:
    with httpx.Client(event_hooks={"response": [bounded]}, timeout=60) as made:
        yield made


def test_what_is_whole_is_taken(client: httpx.Client, url: str) -> None:
    assert client.get(f"{url}/plain").content == WORDS
    assert client.get(f"{url}/packed").json() == json.loads(WORDS)
    with client.stream("GET", f"{url}/packed") as answer:
        assert b"".join(answer.iter_bytes(1000)) == WORDS
    assert client.head(f"{url}/packed").headers["Content-Encoding"] == "gzip"


@pytest.mark.parametrize(
    ("path", "problem"),
    [
        ("bomb", r"at most 1000000 bytes of the hub's answer, but got more"),
        ("api/models/bomb", r"at most 500000 bytes of the hub's answer, but got more"),
        ("endless", r"at most 1000000 bytes of the hub's answer, but got more"),
        ("api/models/plain", r"at most 200000 bytes of the hub's answer, but it has 2\d{5}"),
        ("early", "compressed bytes end early"),
        ("no-gzip", "Expected compressed bytes"),
        ("more", "bytes come after it"),
        ("brotli", "plain or gzip, but got br"),
    ],
)
def test_what_has_no_end_or_another_form_is_refused(
    client: httpx.Client, url: str, path: str, problem: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hub_answers, "_MOST_UNSAID", 1_000_000)
    monkeypatch.setattr(hub_answers, "_MOST_TOLD", 200_000 if path.endswith("plain") else 500_000)
    tracemalloc.start()
    try:
        with pytest.raises(HubAnswerRefused, match=problem):
            client.get(f"{url}/{path}")
        assert tracemalloc.get_traced_memory()[1] < 8 << 20
    finally:
        tracemalloc.stop()


def test_bytes_that_come_one_by_one_are_given_up(
    client: httpx.Client, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hub_answers, "SILENT_SECONDS", 0.3)
    with pytest.raises(HubAnswerRefused, match=r"at least 4096 bytes a second of the hub, but got \d{1,3} in"):
        client.get(f"{url}/slow")


def test_a_model_of_such_a_hub_is_not_found_and_says_why(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    template = constants.HUGGINGFACE_CO_URL_TEMPLATE.removeprefix(constants.ENDPOINT)
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", url + template)
    monkeypatch.setattr(constants, "ENDPOINT", url)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(hub_answers, "_MOST_TOLD", 1 << 20)
    with pytest.raises(NotFound, match="the hub's answer is not taken: Expected at most 1048576 bytes"):
        Hub(tmp_path).config("org/model", "")
