"""A real encoder that dies amid a stream: every row comes once, and is what it would have been."""

import os
import signal

import babelscope.aio
import numpy as np
import pytest
from babelscope import LocalMesh
from babelscope.data.activations import EncodedBlock

from tests.support.numbered_texts import TEXTS
from tests.support.restarts import await_restarts


class Rows:
    """Collects rows by text, and kills the encoder after so many texts."""

    def __init__(self, mesh: LocalMesh, number: signal.Signals, after: list[int]) -> None:
        self.mesh, self.number, self.after = mesh, number, list(after)
        self.rows: dict[int, np.ndarray] = {}
        self.killed: set[int] = set()

    def add(self, block: EncodedBlock) -> None:
        for item, rows in block.parts():
            assert item.index not in self.rows, "a row came twice"
            self.rows[item.index] = rows[0]
        pid = self.mesh.pids["encoder"]
        if self.after and len(self.rows) >= self.after[0] and pid is not None and pid not in self.killed:
            self.after.pop(0)
            self.killed.add(pid)
            os.kill(pid, self.number)

    def check(self, expected: np.ndarray) -> None:
        assert sorted(self.rows) == list(range(len(expected))), "a row was lost"
        assert not self.after, "the encoder was not killed as often as meant"
        np.testing.assert_allclose(np.stack([self.rows[i] for i in range(len(expected))]), expected, atol=2e-6)


@pytest.fixture(scope="module")
def expected(mesh: LocalMesh) -> np.ndarray:
    """The rows without a break."""
    return mesh.encoder.encode(TEXTS, model="tiny", layers=[0, 2]).array


@pytest.mark.parametrize(
    ("number", "after"),
    [
        (signal.SIGKILL, [1]),
        pytest.param(signal.SIGKILL, [500, 3000], marks=pytest.mark.soak),
        pytest.param(signal.SIGTERM, [100], marks=pytest.mark.slow),
    ],
)
def test_the_synchronous_stream_goes_on(
    fragile: LocalMesh, expected: np.ndarray, number: signal.Signals, after: list[int]
) -> None:
    rows, before = Rows(fragile, number, after), fragile.restarts["encoder"]
    with fragile.encoder.stream(iter(TEXTS), model="tiny", layers=[0, 2]) as stream:
        for block in stream:
            rows.add(block)
    rows.check(expected)
    assert stream.totals.texts == len(TEXTS)
    if number == signal.SIGKILL:
        assert stream.totals.attempts == 1 + len(after)
    await_restarts(fragile, "encoder", before + len(after))


@pytest.mark.parametrize(
    "after", [pytest.param([1], marks=pytest.mark.soak), pytest.param([500, 3000], marks=pytest.mark.slow)]
)
async def test_the_asynchronous_stream_goes_on(fragile: LocalMesh, expected: np.ndarray, after: list[int]) -> None:
    rows, before = Rows(fragile, signal.SIGKILL, after), fragile.restarts["encoder"]
    async with (
        babelscope.aio.connect(fragile.address) as mesh,
        mesh.encoder.stream(TEXTS, model="tiny", layers=[0, 2]) as stream,
    ):
        async for block in stream:
            rows.add(block)
    rows.check(expected)
    assert stream.totals.attempts == 1 + len(after)
    await_restarts(fragile, "encoder", before + len(after))


def test_a_call_finds_a_server_that_comes_back(fragile: LocalMesh) -> None:
    before = fragile.encoder.get_model("tiny")
    pid = fragile.pids["encoder"]
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    assert fragile.encoder.get_model("tiny").digest == before.digest
