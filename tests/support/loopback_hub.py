"""A Hugging Face hub on loopback: the answers that its client asks for when it fetches models, and what was asked."""

import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote, urlsplit

COMMIT = "89abcdef0123456789abcdef0123456789abcdef"


class LoopbackHub:
    """Serves folders as repositories, each with one commit on `main`.

    Args:
        repositories: Names such as `org/name` to folders.
    """

    def __init__(self, repositories: dict[str, Path]) -> None:
        self.repositories = repositories
        self.fetched: list[str] = []
        """Names of the files whose bytes were sent, in order."""
        self.url = ""

    @contextmanager
    def serving(self) -> Iterator["LoopbackHub"]:
        """The hub while it answers."""
        hub = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                hub._answer(self, body=True)

            def do_HEAD(self) -> None:
                hub._answer(self, body=False)

            def log_message(self, *_: object) -> None:
                """Says nothing."""

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        self.url = f"http://127.0.0.1:{server.server_port}"
        try:
            yield self
        finally:
            server.shutdown()
            thread.join()
            server.server_close()

    def _answer(self, request: BaseHTTPRequestHandler, *, body: bool) -> None:
        parts = unquote(urlsplit(request.path).path).strip("/").split("/")
        api = parts[:2] == ["api", "models"]
        name, rest = "/".join(parts[2:4] if api else parts[:2]), parts[4:] if api else parts[2:]
        folder = self.repositories.get(name)
        if folder is None:
            _send(request, 404, b"", {"X-Error-Code": "RepoNotFound"}, body=body)
        elif api and rest[:1] == ["tree"]:
            tree = [
                {"type": "file", "path": path.relative_to(folder).as_posix(), "size": path.stat().st_size, "oid": "0"}
                for path in sorted(folder.rglob("*"))
                if path.is_file()
            ]
            _send(request, 200, json.dumps(tree).encode(), {"Content-Type": "application/json"}, body=body)
        elif api:
            about = json.dumps({"id": name, "sha": COMMIT, "siblings": []}).encode()
            _send(request, 200, about, {"Content-Type": "application/json"}, body=body)
        else:
            self._file(request, folder / "/".join(rest[2:]), body=body)

    def _file(self, request: BaseHTTPRequestHandler, path: Path, *, body: bool) -> None:
        if not path.is_file():
            _send(request, 404, b"", {"X-Error-Code": "EntryNotFound"}, body=body)
            return
        content = path.read_bytes()
        if body:
            self.fetched.append(path.name)
        tag = f'"{hashlib.sha256(content).hexdigest()}"'
        _send(request, 200, content, {"ETag": tag, "X-Repo-Commit": COMMIT}, body=body)


def _send(request: BaseHTTPRequestHandler, status: int, content: bytes, headers: dict[str, str], *, body: bool) -> None:
    request.send_response(status)
    for key, value in {**headers, "Content-Length": str(len(content))}.items():
        request.send_header(key, value)
    request.end_headers()
    if body:
        request.wfile.write(content)
