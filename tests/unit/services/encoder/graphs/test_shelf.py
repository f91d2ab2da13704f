"""Graphs in the store: exported once, by one server at a time, never served damaged."""

import json
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from services.encoder.graphs import shelf
from services.encoder.graphs.graph import Card, GraphFacts, graph_key
from services.encoder.graphs.shelf import CARDS, CLAIMS, KIND, WEIGHTS, Graphs
from services.runtime.errors import FailedPrecondition
from services.runtime.files.store import Store

FACTS = GraphFacts(2, 4, 1, 30, 16, 100, padded=True, padding=0, fused=2, made_with="torch 2")


class Exports:
    """An export that counts its calls."""

    def __init__(self, seconds: float = 0.0) -> None:
        self.calls = 0
        self._seconds = seconds
        self._lock = threading.Lock()

    def __call__(self, folder: Path) -> GraphFacts:
        with self._lock:
            self.calls += 1
        time.sleep(self._seconds)
        (folder / "graph.onnx").write_bytes(b"graph")
        (folder / "weights.bin").write_bytes(b"weights")
        return FACTS


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(str(tmp_path / "store"))


def _kinds(store: Store) -> dict[str, int]:
    return {kind: len(store.list(f"{kind}/")) for kind in (KIND, WEIGHTS, CARDS, CLAIMS)}


def test_a_graph_is_exported_once_and_then_read(store: Store) -> None:
    export = Exports()
    for _ in range(2):
        found = Graphs(store).get("key", export)
        assert (found.facts, found.graph, found.weights) == (FACTS, b"graph", b"weights")
    assert Graphs(store).find("another") is None
    assert export.calls == 1
    assert _kinds(store) == {KIND: 1, WEIGHTS: 1, CARDS: 1, CLAIMS: 0}


def test_of_several_servers_one_exports_and_the_others_wait_for_it(tmp_path: Path) -> None:
    export = Exports(seconds=0.3)
    servers = [Graphs(Store(str(tmp_path / "store")), poll_seconds=0.01) for _ in range(4)]
    first = ThreadPoolExecutor(4)
    with first:
        began = first.submit(servers[0].get, "key", export)
        while not export.calls:
            time.sleep(0.005)
        found = [began, *(first.submit(server.get, "key", export) for server in servers[1:])]
        assert {each.result().weights for each in found} == {b"weights"}
    assert export.calls == 1
    assert _kinds(Store(str(tmp_path / "store")))[CLAIMS] == 0


def test_other_graphs_are_not_waited_for(store: Store) -> None:
    store.put(CLAIMS, json.dumps({"key": "another", "by": "a server"}).encode())
    assert Graphs(store).get("key", Exports()).graph == b"graph"


def test_the_claim_of_a_killed_server_ends(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    store.put(CLAIMS, json.dumps({"key": "key", "by": "a killed server"}).encode())
    monkeypatch.setattr(shelf, "CLAIM_SECONDS", 0.2)
    assert Graphs(store, poll_seconds=0.01).get("key", Exports()).graph == b"graph"


def test_a_failed_export_leaves_nothing_and_the_next_one_runs(store: Store) -> None:
    def fail(_: Path) -> GraphFacts:
        raise FailedPrecondition("model m", "it cannot be exported")

    with pytest.raises(FailedPrecondition):
        Graphs(store).get("key", fail)
    assert _kinds(store) == {KIND: 0, WEIGHTS: 0, CARDS: 0, CLAIMS: 0}
    assert Graphs(store).get("key", Exports()).facts == FACTS


@pytest.mark.parametrize("kind", [KIND, WEIGHTS, CARDS])
def test_what_is_damaged_is_exported_anew(store: Store, tmp_path: Path, kind: str) -> None:
    export = Exports()
    Graphs(store).get("key", export)
    [path] = [each for each in (tmp_path / "store" / kind).rglob("*") if each.is_file()]
    path.write_bytes(path.read_bytes()[:-1] + b"!")
    again = Graphs(store)
    assert again.find("key") is None
    assert again.get("key", export).weights == b"weights"
    assert export.calls == 2
    assert again.find("key") is not None
    assert _kinds(store) == {KIND: 1, WEIGHTS: 1, CARDS: 1, CLAIMS: 0}


def test_a_full_store_keeps_nothing_and_the_graph_is_served(tmp_path: Path) -> None:
    full = Store(str(tmp_path / "store"), max_bytes=1)
    assert Graphs(full).get("key", Exports()).graph == b"graph"
    assert _kinds(full) == {KIND: 0, WEIGHTS: 0, CARDS: 0, CLAIMS: 0}


def test_weights_and_options_make_the_key() -> None:
    keys = {graph_key(digest, dtype) for digest in ("a", "b") for dtype in ("float32", "int8")}  # type: ignore[arg-type]
    assert len(keys) == 4
    assert graph_key("a", "int8") == graph_key("a", "int8")


def test_cards() -> None:
    card = Card("key", f"graphs/{'0' * 64}.onnx", f"graph-weights/{'1' * 64}.bin", FACTS)
    assert Card.from_bytes(card.to_bytes()) == card
    for data in (b"{}", b"[1]", b"\xff", b'{"key": "k", "graph": "g", "weights": "w", "facts": {"layers": 1}}'):
        with pytest.raises(ValueError, match=r"Expected|Expecting|decode|invalid"):
            Card.from_bytes(data)
