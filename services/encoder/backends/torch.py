"""The PyTorch back end: its own loop over the blocks, on packed texts."""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from services.encoder.backends.answers import Answer, Chunk
from services.encoder.backends.branches import walk
from services.encoder.backends.budget import Budget
from services.encoder.backends.decoding import decode, finite
from services.encoder.backends.places import answer_places
from services.encoder.backends.tables import rows_of
from services.encoder.backends.workers import Workers
from services.models.layers.blocks import Layout
from services.models.layers.interventions import Interventions
from services.models.layers.packing import PositionRule, pack, split_texts
from services.models.layers.pooling import gather, pool
from services.models.spec import Edit, EncodePlan, Prediction, PredictPlan, TokenizedText
from services.models.weights import Encoder

CPU_CHUNK_ROWS = 1024
"""Rows of a chunk on a processor: enough for full speed of the matrix products, few enough for the caches."""
GPU_CHUNK_ROWS = 1 << 15
"""Rows of a chunk on an accelerator: bounds the memory of intermediate results."""

_TYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16}


class TorchBackend:
    """A model on a processor or on an accelerator.

    Args:
        encoder: Its weights, on that device.
        position_rule: Token ids to position ids.
        device: `cpu` or `cuda:0`.
        threads: Cores to use on a processor.
        chunk_rows: Rows computed at a time; None for what suits the device.
        deferred: Whether the rows of a chunk come back together; None for what suits the device.
    """

    def __init__(
        self,
        encoder: Encoder,
        position_rule: PositionRule,
        *,
        device: str,
        threads: int,
        chunk_rows: int | None = None,
        deferred: bool | None = None,
    ) -> None:
        self.device = device
        self._encoder = encoder
        self._position_rule = position_rule
        on_cpu = device == "cpu"
        self._budget = Budget(chunk_rows or (CPU_CHUNK_ROWS if on_cpu else GPU_CHUNK_ROWS), device)
        self._deferred = deferred
        self._workers = Workers(threads if on_cpu else 1)

    def run(self, batch: Sequence[TokenizedText], plan: EncodePlan) -> list[NDArray[np.float32]]:
        """One [rows, K, d] float32 array a text, in order; views into one block.

        Args:
            batch: At least one text, each of at least one token.
            plan: Fits the model.

        Raises:
            NotFinite: The model, or an edit, drives the hidden states out of the finite numbers.
        """
        return self._budget.run(lambda rows: self._run(batch, plan, rows))

    def _run(self, batch: Sequence[TokenizedText], plan: EncodePlan, rows: int) -> list[NDArray[np.float32]]:
        """As `run`, with so many rows at a time."""
        answer = Answer(batch, plan, self._encoder.hidden_size, self.device, deferred=self._deferred)
        dtype = _TYPES[plan.dtype]
        self._encoder.prepare(dtype)
        settings = [Interventions(plan.edits, self.device)]

        def compute(members: NDArray[np.int64]) -> Chunk:
            packed = pack(batch, members, self._position_rule)
            groups = gather([batch[place] for place in members], packed.starts, plan.pooling, self.device)
            chunk = answer.chunk(members)
            with torch.inference_mode():
                layout = Layout.of(packed, self.device)
                for state in walk(self._encoder, layout, settings, max(answer.columns), dtype):
                    if state.layer in answer.columns:
                        chunk.put(state.layer, pool(state.hidden, groups))
                chunk.send()
            return chunk

        return answer.fill(compute, split_texts(batch, answer.at_once(rows), self._workers.threads), self._workers)

    def predict(self, batch: Sequence[TokenizedText], plan: PredictPlan) -> list[Prediction]:
        """What the head says at every position of the texts, in order; views into one block.

        Args:
            batch: At least one text, each of at least one token.
            plan: Fits the model, which has a head.

        Raises:
            NotFinite: The model, or an edit, drives the hidden states or the logits out of the finite numbers.
        """
        return self._budget.run(lambda rows: self._predict(batch, plan, rows))

    def _predict(self, batch: Sequence[TokenizedText], plan: PredictPlan, rows: int) -> list[Prediction]:
        """As `predict`, with so many rows at a time."""
        head, dtype = self._encoder.head, _TYPES[plan.dtype]
        if head is None:
            raise ValueError("Expected a model with a masked-language-model head")
        lengths = [len(text) for text in batch]
        offsets = np.cumsum([0, *lengths])
        shape = (int(offsets[-1]), len(plan.settings), len(plan.layers), plan.top_k)
        token_ids = torch.empty(shape, dtype=torch.int32)
        scores = torch.empty((*shape[:-1], plan.top_k if plan.scores else 0), dtype=torch.float32)
        self._encoder.prepare(dtype)
        head.prepare(dtype)
        settings = [Interventions(edits, self.device) for edits in plan.settings]

        def compute(members: NDArray[np.int64]) -> None:
            packed = pack(batch, members, self._position_rule)
            places = torch.from_numpy(answer_places(members, offsets))
            with torch.inference_mode():
                layout = Layout.of(packed, self.device)
                for state in walk(self._encoder, layout, settings, max(plan.layers), dtype):
                    columns = [column for column, layer in enumerate(plan.layers) if layer == state.layer]
                    if not columns:
                        continue
                    own = head.of(packed.language)
                    found, likely = decode(own, state.hidden, plan.top_k, dtype, scores=plan.scores)
                    found = found[: packed.rows].to("cpu", torch.int32)
                    likely = finite(likely[: packed.rows], state.layer).to("cpu")
                    for member in state.members:
                        for column in columns:
                            token_ids[:, member, column].index_copy_(0, places, found)
                            if plan.scores:
                                scores[:, member, column].index_copy_(0, places, likely)

        self._workers.run(compute, split_texts(batch, rows, self._workers.threads))
        all_ids, all_scores = token_ids.numpy(), scores.numpy()
        return [
            Prediction(all_ids[first:last], all_scores[first:last])
            for first, last in zip(offsets[:-1].tolist(), offsets[1:].tolist(), strict=True)
        ]

    def table_rows(self, ids: NDArray[np.int64], language: int | None, edits: Sequence[Edit]) -> NDArray[np.float32]:
        """Rows of the word embedding table, [n, e], after the edits of layer 0.

        Raises:
            NotFinite: The table, or an edit, has numbers that are not finite.
        """
        tables = self._encoder.embeddings.words
        return rows_of(tables[language or 0 if len(tables) > 1 else 0], ids, edits)

    def close(self) -> None:
        """End the threads."""
        self._workers.close()
