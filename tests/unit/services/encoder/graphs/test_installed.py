"""Whether ONNX Runtime is installed, asked by every answer that describes a model."""

import os
import subprocess
import sys
from collections.abc import Iterator

import pytest

from services.encoder.graphs import installed


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """The packages that were looked for; none of them is there."""
    names: list[str] = []
    monkeypatch.setattr(installed, "find_spec", names.append)
    installed.lacking.cache_clear()
    yield names
    installed.lacking.cache_clear()


def test_packages_are_looked_for_once(asked: list[str]) -> None:
    reasons = {installed.lacking() for _ in range(3)}
    assert asked == ["onnxruntime", "onnx", "onnxscript"]
    assert [reason.endswith("this server lacks onnxruntime, onnx, onnxscript") for reason in reasons] == [True]


def test_the_package_is_told_to_report_nothing_before_it_is_imported() -> None:
    pytest.importorskip("onnxruntime", reason="the extra babelscope[onnx]")
    script = """
import builtins, os
from services.encoder.graphs import installed
told, plain = [], builtins.__import__
def watched(name, *rest):
    if name.partition(".")[0] == "onnxruntime":
        told.append(os.environ.get("ORT_DISABLE_TELEMETRY"))
    return plain(name, *rest)
builtins.__import__ = watched
installed.runtime()
assert told and set(told) == {"1"}, told
"""
    env = {name: value for name, value in os.environ.items() if name != "ORT_DISABLE_TELEMETRY"}
    subprocess.run([sys.executable, "-c", script], check=True, timeout=120, env=env)
