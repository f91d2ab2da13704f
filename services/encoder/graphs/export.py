"""A model of transformers to a graph of ONNX that gives the hidden states of all layers and takes edits as inputs."""

import logging
import shutil
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from services.encoder.graphs.graph import OPSET, WEIGHTS_FILE, GraphFacts
from services.encoder.graphs.installed import silence
from services.models.general.loading import arguments
from services.models.general.taps import Taps
from services.models.general_model import GeneralEncoder
from services.models.spec import GraphType, ModelInfo, TokenizedText
from services.runtime.errors import FailedPrecondition

GRAPH_FILE: Final = "graph.onnx"
_LENGTHS: Final = (9, 6, 9)
"""Tokens of the texts that the export looks at; the graph takes any number of texts of any lengths."""
_FUSED: Final = ("Attention", "MultiHeadAttention", "GroupQueryAttention")
_NOISY: Final = ("torch.onnx", "onnxscript", "onnx_ir")

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Names:
    """Names of the graph's inputs and outputs.

    Attributes:
        layers: Number of blocks, L.
    """

    layers: int

    @property
    def hidden(self) -> list[str]:
        """Outputs: [B, T, d] a layer."""
        return [f"hidden_{layer}" for layer in range(self.layers + 1)]

    @property
    def rows(self) -> list[str]:
        """Inputs: [M] int64 a layer, the rows of [B T] that are multiplied."""
        return [f"rows_{layer}" for layer in range(self.layers + 1)]

    @property
    def matrices(self) -> list[str]:
        """Inputs: [2, d, d] a layer."""
        return [f"matrices_{layer}" for layer in range(self.layers + 1)]


class Layered(nn.Module):
    """An encoder that gives all its hidden states, each edited before the next is computed from it.

    Args:
        taps: Its hooked modules.
        hidden_size: d.
    """

    def __init__(self, taps: Taps, hidden_size: int) -> None:
        super().__init__()
        self.module = taps.module
        self._taps = taps
        self._size = hidden_size

    def forward(
        self,
        inputs: dict[str, Tensor],
        kinds: Tensor,
        shifts: Tensor,
        rows: Sequence[Tensor],
        matrices: Sequence[Tensor],
    ) -> tuple[Tensor, ...]:
        """Hidden states 0..L.

        Args:
            inputs: Arguments of the encoder: ids and mask [B, T], and what it is told of languages.
            kinds: [B, T] int64, `edits.CONTENT` or `edits.SPECIAL`.
            shifts: [L + 1, 2, d], added to the positions of either kind, after the products.
            rows: L + 1 times [M], rows of the B T positions that are multiplied.
            matrices: L + 1 times [2, d, d], by what, for either kind of position.
        """
        found: list[Tensor] = []
        kind_N = kinds.reshape(-1)

        def visit(layer: int, hidden_BTD: Tensor) -> Tensor:
            flat_ND = hidden_BTD.reshape(-1, self._size)
            part_MD = torch.index_select(flat_ND, 0, rows[layer])
            special_M1 = torch.index_select(kind_N, 0, rows[layer])[:, None].to(part_MD.dtype)
            # One product for both kinds: half of each wide row is zero.
            wide = torch.cat([part_MD * (1 - special_M1), part_MD * special_M1], dim=1)
            mapped_MD = wide @ matrices[layer].reshape(-1, self._size)
            flat_ND = flat_ND.index_put((rows[layer],), mapped_MD)
            flat_ND = flat_ND + functional.embedding(kind_N, shifts[layer])
            found.append(flat_ND.view(hidden_BTD.shape))
            return found[-1]

        # No layer is the last one wanted: an export cannot be left half-way. What follows the last is not exported.
        self._taps.run(inputs, visit, self._taps.layers + 1)
        return tuple(found)


def export(encoder: GeneralEncoder, info: ModelInfo, dtype: GraphType, folder: Path) -> GraphFacts:
    """Write a model as `graph.onnx` and `weights.bin`.

    Args:
        encoder: The model, on the processor.
        info: What is known of it.
        dtype: Arithmetic of the linear layers: `float32`, or `int8` with a scale for each column of the weights and one
            for all activations of a batch.
        folder: An empty folder.

    Raises:
        FailedPrecondition: The model cannot be exported, with the reason.
    """
    subject = f"model {info.name}"
    try:
        with _quiet():
            fused = _export(encoder, info.hidden_size, dtype, folder)
    except Exception as error:  # torch.export has errors of its own for each thing it cannot follow
        raise FailedPrecondition(
            subject, f"it cannot be exported for backend ONNX, {_first_cause(error)}; backend TORCH serves it"
        ) from error
    base = encoder.base
    if fused < info.layers:
        log.warning("attention is not fused", extra={"model": info.name, "layers": info.layers, "fused": fused})
    return GraphFacts(
        layers=info.layers,
        hidden_size=info.hidden_size,
        heads=info.heads,
        vocabulary_size=info.vocabulary_size,
        max_tokens=info.max_tokens,
        parameters=info.parameters,
        padded=base.padded,
        padding=base.padding,
        fused=fused,
        made_with=", ".join(f"{name} {version(name)}" for name in ("torch", "transformers", "onnxscript", "onnx")),
    )


def _export(encoder: GeneralEncoder, hidden_size: int, dtype: GraphType, folder: Path) -> int:
    """Writes the files; how many attention layers became one node each."""
    silence()
    import onnx_ir
    from onnxscript.rewriter.ort_fusions import optimize_for_ort

    model = Layered(encoder.taps, hidden_size).train(False)
    names = Names(encoder.taps.layers)
    inputs, edits = _example(encoder, hidden_size)
    free = torch.export.Dim.DYNAMIC
    layers = range(names.layers + 1)
    with torch.no_grad():
        program = torch.onnx.export(
            model,
            (inputs, *edits),
            dynamo=True,
            verbose=False,
            opset_version=OPSET,
            input_names=[*inputs, "kinds", "shifts", *names.rows, *names.matrices],
            output_names=names.hidden,
            dynamic_shapes=(
                {name: dict.fromkeys(range(tensor.ndim), free) for name, tensor in inputs.items()},
                {0: free, 1: free},
                None,
                [{0: free} for _ in layers],
                [None for _ in layers],
            ),
        )
    if model.training or encoder.taps.module.training:
        raise RuntimeError("the exporter left the model in training mode")
    assert program is not None
    graph = program.model
    if dtype == "int8":
        graph = _quantised(graph, folder)
    graph, _ = optimize_for_ort(graph, clear_metadata=True)
    onnx_ir.save(graph, folder / GRAPH_FILE, external_data=WEIGHTS_FILE)
    (folder / WEIGHTS_FILE).touch()
    return sum(node.op_type in _FUSED for node in graph.graph)


def _quantised(graph: Any, folder: Path) -> Any:
    """The graph with the weights of its linear layers in int8.

    That comes before attention is fused: the fused node that holds the weights of queries, keys and values has no form
    in int8 that takes a mask of this kind.
    """
    silence()
    import onnx_ir
    from onnxruntime.quantization import QuantType, quantize_dynamic

    wide, narrow = folder / "float32", folder / "int8"
    for place in (wide, narrow):
        place.mkdir()
    onnx_ir.save(graph, wide / GRAPH_FILE, external_data=WEIGHTS_FILE)
    quantize_dynamic(
        wide / GRAPH_FILE,
        narrow / GRAPH_FILE,
        op_types_to_quantize=["MatMul"],
        per_channel=True,
        weight_type=QuantType.QInt8,
        use_external_data_format=True,
        extra_options={"DefaultTensorType": 1},  # float32, for tensors whose type is not found
    )
    loaded = onnx_ir.load(narrow / GRAPH_FILE)
    onnx_ir.external_data.load_to_model(loaded)
    for place in (wide, narrow):
        shutil.rmtree(place)
    return loaded


def _example(encoder: GeneralEncoder, size: int) -> tuple[dict[str, Tensor], tuple[Any, ...]]:
    """Texts and edits for the export to look at: two rows at least of all that may have any number."""
    base = encoder.base
    lengths = _LENGTHS if base.padded else (max(_LENGTHS),) * len(_LENGTHS)
    language = None if base.languages is None else min(base.languages.codes.values())
    rng = np.random.default_rng(0)
    texts = [_text(rng.integers(0, base.vocabulary_size, length), language) for length in lengths]
    inputs = arguments(texts, base.languages, base.padding, "cpu")
    kinds = torch.zeros_like(inputs["input_ids"])
    kinds[:, 0] = 1
    layers = encoder.taps.layers + 1
    rows = [torch.arange(2 + layer % 2) for layer in range(layers)]
    return inputs, (kinds, torch.zeros(layers, 2, size), rows, [torch.zeros(2, size, size) for _ in range(layers)])


def _text(ids: Any, language: int | None) -> TokenizedText:
    nowhere = np.zeros(len(ids), dtype=np.int32)
    return TokenizedText(ids, np.zeros(len(ids), bool), nowhere, nowhere, False, len(ids), language=language)


def _first_cause(error: BaseException) -> str:
    """What went wrong in the first place, on one line."""
    while error.__cause__ is not None:
        error = error.__cause__
    return f"{type(error).__name__}: {str(error).strip().partition(chr(10))[0][:300]}"


@contextmanager
def _quiet() -> Iterator[None]:
    """Without what the exporter says of packages that it does not need and of its own deprecated parts."""
    loggers = [logging.getLogger(name) for name in _NOISY]
    before = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for logger, level in zip(loggers, before, strict=True):
            logger.setLevel(level)
