"""An HTTP proxy that knows one server, and keeps what it was asked for."""

import http.client
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

# Of each connection its own; `host` too, since the server behind takes its first part for a bucket.
_OF_A_CONNECTION = {"host", "connection", "proxy-connection", "keep-alive", "transfer-encoding", "content-length"}


class ForwardProxy(ThreadingHTTPServer):
    """Answers every request for any host from one server; tunnels are refused.

    Args:
        upstream: Host and port of the server.

    Attributes:
        asked: Hosts, with their ports, that requests were for.
        refused: Hosts that tunnels were asked for.
    """

    daemon_threads = True

    def __init__(self, upstream: tuple[str, int]) -> None:
        self.upstream = upstream
        self.asked: set[str] = set()
        self.refused: set[str] = set()
        super().__init__(("127.0.0.1", 0), _Handler)

    @property
    def url(self) -> str:
        """Its address."""
        return f"http://127.0.0.1:{self.server_port}"


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: ForwardProxy

    def _forward(self) -> None:
        parts = urlsplit(self.path)
        self.server.asked.add(parts.netloc)
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        headers = {name: value for name, value in self.headers.items() if name.lower() not in _OF_A_CONNECTION}
        connection = http.client.HTTPConnection(*self.server.upstream, timeout=30)
        try:
            connection.request(self.command, parts._replace(scheme="", netloc="").geturl(), body, headers)
            answer = connection.getresponse()
            data = answer.read()
        finally:
            connection.close()
        self.send_response(answer.status)
        for name, value in answer.getheaders():
            if name.lower() not in _OF_A_CONNECTION:
                self.send_header(name, value)
        length = answer.getheader("content-length", "0") if self.command == "HEAD" else str(len(data))
        self.send_header("content-length", length)
        self.end_headers()
        self.wfile.write(data)

    do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = _forward  # noqa: N815 - names that http.server looks for

    def do_CONNECT(self) -> None:
        self.server.refused.add(self.path)
        self.send_error(502)

    def log_message(self, *_: object) -> None:
        """Says nothing."""


@contextmanager
def running_proxy(upstream: tuple[str, int]) -> Iterator[ForwardProxy]:
    """A proxy for the time of a test."""
    with ForwardProxy(upstream) as proxy:
        thread = threading.Thread(target=proxy.serve_forever)
        thread.start()
        try:
            yield proxy
        finally:
            proxy.shutdown()
            thread.join()
