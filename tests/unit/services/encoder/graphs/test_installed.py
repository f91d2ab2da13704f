"""Whether ONNX Runtime is installed, asked by every answer that describes a model."""

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
