"""A headless Chromium driven over the DevTools protocol: what a page logs, asks for and holds."""

import base64
import itertools
import json
import os
import shutil
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import websocket

NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")


def find() -> str | None:
    """Path of a Chromium; None where there is none."""
    return os.environ.get("BABELSCOPE_CHROMIUM") or next(filter(None, map(shutil.which, NAMES)), None)


class Page:
    """One page of a running browser.

    Attributes:
        events: Every event so far, in order.
    """

    def __init__(self, address: str) -> None:
        self._socket = websocket.create_connection(address, timeout=60, suppress_origin=True)
        self._numbers = itertools.count(1)
        self.events: list[dict[str, Any]] = []
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Answers of the browser; events that come meanwhile are kept."""
        number = next(self._numbers)
        self._socket.send(json.dumps({"id": number, "method": method, "params": parameters}))
        while True:
            message = self._receive()
            if message.get("id") == number:
                assert "error" not in message, f"{method}: {message['error']}"
                return dict(message["result"])

    def open(self, url: str) -> None:
        """Loads a page and returns once it has."""
        seen = len(self.events)
        self.call("Page.navigate", url=url)
        while not any(each["method"] == "Page.loadEventFired" for each in self.events[seen:]):
            self._receive()

    def run(self, expression: str) -> Any:
        """The value of an expression, its promise awaited."""
        answer = self.call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    def size(self, width: int, height: int) -> None:
        """Sets the window."""
        self.call(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=width < 600
        )

    def screenshot(self, path: Path, *, whole: bool = True) -> None:
        """Writes a PNG of the page."""
        data = self.call("Page.captureScreenshot", format="png", captureBeyondViewport=whole)["data"]
        path.write_bytes(base64.b64decode(data))

    def complaints(self, url: str) -> list[str]:
        """What a quiet page would not do: log, throw, or ask for anything but itself and images that it makes."""
        loud = ("Runtime.consoleAPICalled", "Runtime.exceptionThrown", "Log.entryAdded")
        found = [str(each) for each in self.events if each["method"] in loud]
        requests = [each["params"]["request"] for each in self.events if each["method"] == "Network.requestWillBeSent"]
        asked = {request["url"] for request in requests} - {url}
        return found + sorted(each for each in asked if not each.startswith(("data:", "blob:")))

    def close(self) -> None:
        """Lets the page go."""
        self._socket.close()

    def _receive(self) -> dict[str, Any]:
        message: dict[str, Any] = json.loads(self._socket.recv())
        if "method" in message:
            self.events.append(message)
        return message


@contextmanager
def browser(program: str, profile: Path) -> Iterator[Page]:
    """Starts a Chromium with a profile of its own and gives its page; stops it afterwards."""
    flags = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-extensions",
             "--disable-component-update", "--disable-sync", "--no-first-run", "--remote-debugging-port=0",
             "--force-color-profile=srgb", f"--user-data-dir={profile}"]  # fmt: skip
    with subprocess.Popen(
        [program, *flags, "about:blank"], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stderr is not None
            # Chromium says where it listens, then the page's own address is in its list of targets.
            line = next(each for each in process.stderr if "DevTools listening on" in each)
            root = line.split()[-1]
            # A full pipe would stop the browser.
            threading.Thread(target=process.stderr.read, daemon=True).start()
            yield from _page(root)
        finally:
            process.terminate()
            process.wait(timeout=20)


@contextmanager
def browser_or_skip(profile: Path) -> Iterator[Page]:
    """A browser's page; skips the test visibly where there is no Chromium."""
    program = find()
    if program is None:
        pytest.skip("browser not found: chromium")
    with browser(program, profile) as page:
        yield page


def _page(root: str) -> Iterator[Page]:
    control = websocket.create_connection(root, timeout=60, suppress_origin=True)
    control.send(json.dumps({"id": 1, "method": "Target.getTargets", "params": {}}))
    message: dict[str, Any] = {}
    while message.get("id") != 1:
        message = json.loads(control.recv())
    targets = message["result"]["targetInfos"]
    target = next(each["targetId"] for each in targets if each["type"] == "page")
    page = Page(root.split("/devtools/", maxsplit=1)[0] + f"/devtools/page/{target}")
    try:
        yield page
    finally:
        page.close()
        control.close()
