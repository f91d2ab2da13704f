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

from services.datagen.translation.model_files import ModelFolders
from services.models.files.hub import Hub
from services.runtime.errors import FailedPrecondition, NotFound, Unavailable
from services.runtime.files import hub_answers
from services.runtime.files.hub_answers import HubAnswerRefused, bound_answers, bound_client
from tests.support.loopback_hub import LoopbackHub

WORDS = json.dumps({"words": list(range(40_000))}).encode()
BOMB = gzip.compress(bytes(64 << 20), 9)


class _Handler(BaseHTTPRequestHandler):
    """Answers by the last part of the path."""

    server: "_Server"
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
                        self.server.over.wait(0.02)
                case "slow-headers":
                    self.wfile.write(b"HTTP/1.1 200 OK\r\nX-Filler: ")
                    for _ in range(1000):
                        self.wfile.write(b"x")
                        self.server.over.wait(0.02)
                    self.wfile.write(b"\r\nContent-Length: 0\r\n\r\n")
                case _ if self.server.said is not None:
                    self._all(self.server.said)
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


class _Server(ThreadingHTTPServer):
    """Such a hub.

    Attributes:
        over: Set when the tests are over.
        said: What it says of models; a bomb where None.
    """

    over: threading.Event
    said: bytes | None = None


@pytest.fixture(scope="module")
def server() -> Iterator[_Server]:
    """Such a hub at work."""
    server = _Server(("127.0.0.1", 0), _Handler)
    server.over = threading.Event()
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.over.set()
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def url(server: _Server) -> str:
    """Where it is."""
    return f"http://127.0.0.1:{server.server_port}"


@pytest.fixture
def client() -> Iterator[httpx.Client]:
    with httpx.Client() as made:
        bound_client(made)
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


@pytest.mark.parametrize("path", ["slow", "slow-headers"])
@pytest.mark.parametrize("proxied", [False, True])
def test_bytes_that_come_one_by_one_are_given_up(
    path: str, *, proxied: bool, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if proxied:  # the server itself takes what is meant for a proxy
        monkeypatch.setenv("http_proxy", url)
        monkeypatch.setenv("no_proxy", "")
    monkeypatch.setattr(hub_answers, "SILENT_SECONDS", 0.3)
    with httpx.Client() as client:
        bound_client(client)
        address = "http://hub.example" if proxied else url
        assert client.get(f"{address}/plain").content == WORDS  # the pace is that of an answer, not of a connection
        with pytest.raises(HubAnswerRefused, match=r"at least 4096 bytes a second of the hub, but got \d{1,3} in"):
            client.get(f"{address}/{path}")


def test_a_connection_that_was_quiet_between_two_answers_is_used_again(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hub_answers, "SILENT_SECONDS", 0.2)
    with httpx.Client() as client:
        bound_client(client)
        assert client.head(f"{url}/packed").status_code == 200
        threading.Event().wait(0.4)
        assert client.head(f"{url}/packed").status_code == 200


@pytest.fixture
def asked(url: str, server: _Server, monkeypatch: pytest.MonkeyPatch) -> Iterator[_Server]:
    """The hub as the one that the hub's client asks."""
    template = constants.HUGGINGFACE_CO_URL_TEMPLATE.removeprefix(constants.ENDPOINT)
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", url + template)
    monkeypatch.setattr(constants, "ENDPOINT", url)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    yield server
    server.said = None


@pytest.mark.usefixtures("asked")
def test_a_model_of_such_a_hub_is_not_found_and_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hub_answers, "_MOST_TOLD", 1 << 20)
    with pytest.raises(NotFound, match="the hub's answer is not taken: Expected at most 1048576 bytes"):
        Hub(tmp_path).config("org/model", "")


@pytest.mark.parametrize(
    "said",
    [
        b"",
        b"{",
        b"[]",
        b"5",
        b'"text"',
        b"{}",
        b'{"id": 5, "sha": [], "siblings": {}}',
        b'{"id": "org/model", "sha": "' + b"a" * 40 + b'", "siblings": [{"rfilename": 5}]}',
        b'{"id": "org/model", "sha": "../../x", "siblings": [{"rfilename": "config.json"}]}',
        b'{"id": "org/model", "sha": "\\u0000", "siblings": [{}]}',
        b"[" * 100_000,
        b"\xff\xfe",
    ],
)
def test_a_hub_that_says_anything_else_of_a_model_is_told_as_such(said: bytes, asked: _Server, tmp_path: Path) -> None:
    asked.said = said
    cache = tmp_path / "cache"
    for look_up in (Hub(cache).config, Hub(cache).model):
        with pytest.raises((NotFound, FailedPrecondition)):
            look_up("org/model", "")
    with pytest.raises((NotFound, Unavailable, FailedPrecondition)):
        ModelFolders([], hub=True).find("org/model")
    assert {path.name for path in tmp_path.iterdir()} <= {"cache"}


def test_files_of_xet_storage_come_over_connections_that_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", False)
    monkeypatch.delenv("HF_HUB_DISABLE_XET", raising=False)
    bound_answers.cache_clear()
    bound_answers()
    assert constants.HF_HUB_DISABLE_XET
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", False)
    monkeypatch.setenv("HF_HUB_DISABLE_XET", "0")
    bound_answers.cache_clear()
    bound_answers()
    assert not constants.HF_HUB_DISABLE_XET


def test_a_file_that_the_client_does_not_fetch_over_http_is_told_as_such(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "config.json").write_text('{"model_type": "bert"}')
    with LoopbackHub({"org/model": folder}).serving() as hub:
        template = constants.HUGGINGFACE_CO_URL_TEMPLATE.removeprefix(constants.ENDPOINT)
        monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", hub.url + template)
        monkeypatch.setattr(constants, "ENDPOINT", hub.url)
        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
        monkeypatch.setattr(constants, "MAX_HTTP_DOWNLOAD_SIZE", 5)
        with pytest.raises(NotFound, match="the hub's answer is not taken: The file is too large"):
            Hub(tmp_path / "cache").config("org/model", "")
