"""A model as a graph of ONNX: what it is called by, what is known of it, and the bytes that are run."""

import hashlib
import json
from dataclasses import asdict, dataclass
from typing import Any, Final, Self

from services.models.spec import GraphType

FORMAT: Final = 2
"""Raised with every change of what is exported; graphs of before are exported anew."""
OPSET: Final = 20
WEIGHTS_FILE: Final = "weights.bin"
"""The name by which a graph calls the file of its weights."""


@dataclass(frozen=True)
class GraphFacts:
    """What is known of an exported model, so that it is served without its weights in PyTorch.

    Attributes:
        layers: Number of blocks, L.
        hidden_size: Width of the hidden states, d.
        heads: Attention heads a block; 0 where the configuration does not say.
        vocabulary_size: Rows of the word embeddings.
        max_tokens: Longest input in tokens.
        parameters: Numbers in the tensors of the encoder.
        padded: Whether texts of different lengths may share a batch.
        padding: Token that fills rows up; None where any will do.
        fused: Attention layers that became one node each.
        made_with: Versions of what exported it.
    """

    layers: int
    hidden_size: int
    heads: int
    vocabulary_size: int
    max_tokens: int
    parameters: int
    padded: bool
    padding: int | None
    fused: int
    made_with: str


@dataclass(frozen=True)
class Card:
    """What the store says of a graph.

    Attributes:
        key: What it was made from: see `graph_key`.
        graph: Name of the object with the graph, without its weights.
        weights: Name of the object with the weights.
        facts: What is known of it.
    """

    key: str
    graph: str
    weights: str
    facts: GraphFacts

    def to_bytes(self) -> bytes:
        """The card as JSON."""
        return json.dumps(asdict(self), sort_keys=True).encode("utf-8")

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """Reads a card.

        Raises:
            ValueError: It is none.
        """
        try:
            values: dict[str, Any] = json.loads(data)
            return cls(values["key"], values["graph"], values["weights"], GraphFacts(**values["facts"]))
        except (KeyError, TypeError) as error:
            raise ValueError(f"Expected the card of a graph: {error}") from error


@dataclass(frozen=True, eq=False)
class Graph:
    """A graph to be run.

    Attributes:
        facts: What is known of it.
        graph: The graph as ONNX writes it, which calls its weights by `WEIGHTS_FILE`.
        weights: The bytes of the weights.
    """

    facts: GraphFacts
    graph: bytes
    weights: bytes


def graph_key(digest: str, dtype: GraphType) -> str:
    """What names a graph: the model's weights with their re-initialisation, and all options of the export.

    Args:
        digest: Digest of the model, `ModelInfo.digest`.
        dtype: Arithmetic of the products.
    """
    return hashlib.sha256(json.dumps([FORMAT, OPSET, digest, dtype]).encode("ascii")).hexdigest()
