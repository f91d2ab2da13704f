"""The form of the log's lines."""

import asyncio
import json
import logging
from collections.abc import Iterator
from pathlib import Path

import pytest

from services.runtime import logs


@pytest.fixture(autouse=True)
def restored() -> Iterator[None]:
    """The root logger as it was before the test."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)


def test_a_line_is_json_with_its_fields(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure("INFO", "json")
    token = logs.request_id.set("id-1")
    logging.getLogger("a.b").info("loaded", extra={"model": "名", "path": Path("/x"), "texts": 3})
    logs.request_id.reset(token)
    logging.getLogger("a.b").debug("left out")
    [line] = capsys.readouterr().err.splitlines()
    found = json.loads(line)
    assert found.pop("time").endswith("+00:00")
    assert found == {
        "level": "INFO",
        "logger": "a.b",
        "event": "loaded",
        "request_id": "id-1",
        "model": "名",
        "path": "/x",
        "texts": 3,
    }


def test_a_traceback_stays_on_its_line(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure("INFO", "json")
    try:
        raise ValueError("a\nfault")
    except ValueError:
        logging.getLogger("a").exception("failed")
    [line] = capsys.readouterr().err.splitlines()
    assert "ValueError: a\nfault" in json.loads(line)["traceback"]


def test_a_name_cannot_forge_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure("INFO", "json")
    logging.getLogger("a").info("loaded", extra={"model": 'x"}\n{"event": "forged"}'})
    [line] = capsys.readouterr().err.splitlines()
    assert json.loads(line)["event"] == "loaded"


def test_text_is_for_eyes(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure("INFO", "text")
    logging.getLogger("a").info("loaded", extra={"model": "x"})
    assert capsys.readouterr().err.endswith("INFO    loaded model=x\n")


async def test_a_thread_knows_the_request() -> None:
    logs.request_id.set("id-2")
    assert await asyncio.to_thread(logs.request_id.get) == "id-2"
