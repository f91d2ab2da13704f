"""Graphs in the store: found by their cards, read and checked, exported by one server at a time.

The store names objects by their own digest; what a graph was made from is said by a small card, which is put after the
graph and its weights. What is damaged is removed and exported anew.
"""

import json
import logging
import secrets
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final, Protocol

from babelscope.data.atomic import partial_folder

from services.encoder.graphs.export import GRAPH_FILE
from services.encoder.graphs.graph import WEIGHTS_FILE, Card, Graph, GraphFacts
from services.runtime.errors import DataLoss, LimitExceeded, NotFound
from services.runtime.files.store import Data, ObjectState
from services.runtime.work import check_here

KIND: Final = "graphs"
WEIGHTS: Final = "graph-weights"
CARDS: Final = "graph-cards"
CLAIMS: Final = "graph-claims"
CLAIM_SECONDS: Final = 600.0
"""Age after which a claim is that of a server that was killed, and others export as well."""
POLL_SECONDS: Final = 0.5

log = logging.getLogger(__name__)

Make = Callable[[Path], GraphFacts]
"""Writes `graph.onnx` and `weights.bin` into a folder."""


class Objects(Protocol):
    """The part of the store that is used here."""

    def put(self, kind: str, data: Data, *, suffix: str = "") -> str:
        """Stores an object; its name."""

    def get(self, name: str) -> bytes:
        """The checked bytes of an object."""

    def delete(self, name: str) -> None:
        """Removes an object, if there is one."""

    def list(self, prefix: str = "") -> Sequence[str]:
        """Names of objects."""

    def states(self, kind: str) -> Sequence[ObjectState]:
        """Sizes and times of all objects of a kind."""

    def touch(self, name: str) -> None:
        """Says that an object was used."""


class Graphs:
    """The graphs of one store. All methods block.

    Args:
        store: Store that all servers share.
        poll_seconds: Time between looks for a graph that another server exports.
    """

    def __init__(self, store: Objects, *, poll_seconds: float = POLL_SECONDS) -> None:
        self._store = store
        self._poll_seconds = poll_seconds

    def get(self, key: str, make: Make) -> Graph:
        """A graph: from the store, or exported now and kept there.

        Of several servers that need the same graph at the same time one exports it and the others wait. Where clocks
        disagree two may export it: both are right, and each serves its own.

        Args:
            key: What the graph is made from: see `graph_key`.
            make: Exports it.

        Raises:
            Stopped: Nobody waits for it any more.
            FailedPrecondition: The model cannot be exported.
            ServiceError: What the store raises.
        """
        found = self.find(key)
        if found is not None:
            return found
        with self._claim(key) as mine:
            while True:
                found = self.find(key)
                if found is not None:
                    return found
                if self._first(key) in (mine, ""):
                    return self._export(key, make)
                check_here()
                time.sleep(self._poll_seconds)

    def find(self, key: str) -> Graph | None:
        """A graph of the store; None where it has none, or only damaged ones, which are removed."""
        for name in self._store.list(f"{CARDS}/"):
            try:
                card = Card.from_bytes(self._store.get(name))
            except NotFound:
                continue
            except (DataLoss, ValueError):
                log.warning("damaged card of a graph", extra={"card": name})
                self._store.delete(name)
                continue
            if card.key == key and (graph := self._read(name, card)) is not None:
                return graph
        return None

    def _read(self, name: str, card: Card) -> Graph | None:
        try:
            graph = Graph(card.facts, self._store.get(card.graph), self._store.get(card.weights))
        except (DataLoss, NotFound) as error:
            log.warning("graph is exported anew", extra={"graph": card.graph, "problem": str(error)})
            for each in (name, card.graph, card.weights):
                self._store.delete(each)
            return None
        for each in (card.graph, card.weights):
            self._store.touch(each)
        return graph

    def _export(self, key: str, make: Make) -> Graph:
        started = time.monotonic()
        with partial_folder(Path(tempfile.gettempdir()), "babelscope-graph") as folder:
            facts = make(folder)
            graph = Graph(facts, (folder / GRAPH_FILE).read_bytes(), (folder / WEIGHTS_FILE).read_bytes())
        log.info("graph exported", extra={"key": key, "seconds": round(time.monotonic() - started, 1)})
        try:
            card = Card(
                key,
                self._store.put(KIND, graph.graph, suffix=".onnx"),
                self._store.put(WEIGHTS, graph.weights, suffix=".bin"),
                facts,
            )
            self._store.put(CARDS, card.to_bytes(), suffix=".json")
        except LimitExceeded:  # a full store is no reason to answer nothing
            log.warning("no room for a graph in the store", extra={"key": key})
        return graph

    @contextmanager
    def _claim(self, key: str) -> Iterator[str]:
        """Says in the store, as long as it is open, that this server wants to export a graph."""
        claim = json.dumps({"key": key, "by": secrets.token_hex(8)})
        try:
            name = self._store.put(CLAIMS, claim.encode("ascii"), suffix=".json")
        except LimitExceeded:
            yield ""
            return
        try:
            yield name
        finally:
            self._store.delete(name)

    def _first(self, key: str) -> str:
        """The claim of a graph that was made before all others; empty where there is none."""
        for claim in sorted(self._store.states(CLAIMS), key=lambda each: (each.used, each.name)):
            if time.time() - claim.used > CLAIM_SECONDS:
                continue
            try:
                if json.loads(self._store.get(claim.name))["key"] == key:
                    return claim.name
            except (NotFound, DataLoss, ValueError):
                continue
        return ""
