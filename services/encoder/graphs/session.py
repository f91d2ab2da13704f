"""A graph in ONNX Runtime. Tensors of PyTorch are bound to its inputs and outputs, so that none is copied."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from services.encoder.graphs.edits import LayerEdit
from services.encoder.graphs.export import Names
from services.encoder.graphs.graph import WEIGHTS_FILE, Graph
from services.encoder.graphs.installed import CPU, CUDA, runtime
from services.models.denormals import denormals_kept_as_set
from services.runtime.errors import FailedPrecondition

_TYPES: dict[torch.dtype, Any] = {torch.float32: np.float32, torch.int64: np.int64}


class Session:
    """A graph that is ready to run. Several threads may run it at once, each on one core.

    Args:
        graph: The graph; its bytes are not needed afterwards.
        device: `cpu`, or `cuda:0` where ONNX Runtime has a provider for it.
        name: Name of the model, for errors.

    Attributes:
        facts: What is known of the graph.
        device: Device that it runs on.

    Raises:
        FailedPrecondition: ONNX Runtime does not load it, or does not run it on the device.
    """

    def __init__(self, graph: Graph, device: str, name: str) -> None:
        ort = runtime()
        self.facts, self.device = graph.facts, device
        self._ort = ort
        self._names = Names(graph.facts.layers)
        options = ort.SessionOptions()
        options.log_severity_level = 3
        options.intra_op_num_threads = 1
        # Some activations pass through numbers below 1e-38, on which processors are four times slower.
        options.add_session_config_entry("session.set_denormal_as_zero", "1")
        options.add_external_initializers_from_files_in_memory([WEIGHTS_FILE], [graph.weights], [len(graph.weights)])
        try:
            # The first session of a process sets the thread that makes it, too, and with it all code that runs there.
            with denormals_kept_as_set():
                self._session = ort.InferenceSession(graph.graph, options, providers=_providers(device))
        except Exception as error:  # the package's errors have no common base
            raise FailedPrecondition(f"model {name}", f"ONNX Runtime does not load its graph: {error}") from error
        first = self._session.get_providers()[0]
        if device != "cpu" and first != CUDA:
            # The package goes on without the provider where a library of CUDA is missing, and only logs it.
            raise FailedPrecondition(
                "backend ONNX", f"Expected ONNX Runtime to run on {device} with {CUDA}, but it runs with {first}"
            )
        self._taken = {each.name for each in self._session.get_inputs()}
        size = graph.facts.hidden_size
        self._no_shifts = torch.zeros(graph.facts.layers + 1, 2, size, device=device)
        self._no_matrices = torch.zeros(2, size, size, device=device)
        self._no_rows = torch.zeros(1, dtype=torch.int64, device=device)[:0]

    def run(
        self, inputs: Mapping[str, Tensor], kinds_BT: Tensor, edits: Mapping[int, LayerEdit], layers: Sequence[int]
    ) -> dict[int, Tensor]:
        """Hidden states of one padded batch.

        Args:
            inputs: Ids, mask and what the model is told of languages, on the device.
            kinds_BT: [B, T] int64, on the device: what is a token of a text and what is not.
            edits: What is done at layers.
            layers: Layers wanted; nothing above the highest is computed.

        Returns:
            [B, T, d] float32 by layer, on the device.
        """
        given = {**inputs, "kinds": kinds_BT, **self._edited(edits, kinds_BT)}
        binding = self._session.io_binding()
        kind, number = self._device()
        kept = {name: tensor.contiguous() for name, tensor in given.items() if name in self._taken}
        for name, tensor in kept.items():
            # A tensor without elements has no address, and any will do.
            address = tensor.data_ptr() or self._no_shifts.data_ptr()
            binding.bind_input(name, kind, number, _TYPES[tensor.dtype], tuple(tensor.shape), address)
        shape = (*kinds_BT.shape, self.facts.hidden_size)
        found = {layer: torch.empty(shape, dtype=torch.float32, device=self.device) for layer in layers}
        for layer, tensor in found.items():
            binding.bind_output(self._names.hidden[layer], kind, number, np.float32, shape, tensor.data_ptr())
        options = self._ort.RunOptions()
        options.only_execute_path_to_fetches = True
        if self.device != "cpu":
            torch.cuda.synchronize(self.device)  # the inputs were made on PyTorch's stream
        self._session.run_with_iobinding(binding, options)
        binding.synchronize_outputs()
        return found

    def _edited(self, edits: Mapping[int, LayerEdit], kinds_BT: Tensor) -> dict[str, Tensor]:
        """The inputs that carry the edits."""
        shifts = self._no_shifts.clone() if edits else self._no_shifts
        given = dict.fromkeys(self._names.rows, self._no_rows)
        given |= dict.fromkeys(self._names.matrices, self._no_matrices)
        for layer, edit in edits.items():
            shifts[layer] = torch.from_numpy(edit.shifts).to(self.device)
            if any(edit.mapped):
                chosen = torch.tensor(edit.mapped, device=self.device)[kinds_BT.reshape(-1)]
                given[self._names.rows[layer]] = torch.nonzero(chosen).reshape(-1)
                given[self._names.matrices[layer]] = torch.from_numpy(edit.matrices).to(self.device)
        return {"shifts": shifts, **given}

    def _device(self) -> tuple[str, int]:
        """The device as ONNX Runtime names it."""
        kind, _, number = self.device.partition(":")
        return kind, int(number or 0)


def _providers(device: str) -> list[Any]:
    """What runs the nodes of a graph, the first that can."""
    if device == "cpu":
        return [CPU]
    number = int(device.partition(":")[2] or 0)
    # TF32 would round the products of float32 to ten bits.
    return [(CUDA, {"device_id": number, "use_tf32": 0}), CPU]
