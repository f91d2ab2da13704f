"""The general back end: transformers' own modules with hooks, on padded batches of texts of similar length."""

from collections.abc import Callable, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from services.encoder.backends.answers import Answer, Chunk
from services.encoder.backends.budget import Budget
from services.encoder.backends.decoding import decode, finite
from services.encoder.backends.places import answer_places
from services.encoder.backends.tables import rows_of
from services.encoder.backends.workers import Workers
from services.models.general.loading import arguments, word_table
from services.models.general.padding import Rows, buckets
from services.models.general_model import GeneralEncoder
from services.models.layers.blocks import Layout
from services.models.layers.interventions import Interventions
from services.models.layers.packing import Pack, pack
from services.models.layers.pooling import gather, pool
from services.models.spec import Edit, EncodePlan, Plan, Prediction, PredictPlan, TokenizedText

CPU_BATCH_TOKENS = 1024
"""Padded tokens of a batch on a processor: enough for full speed of the products, few enough for the caches."""
GPU_BATCH_TOKENS = 1 << 15
"""Padded tokens of a batch on an accelerator."""


class TransformersBackend:
    """An encoder of transformers on a processor or on an accelerator.

    Args:
        encoder: The hooked encoder, on that device.
        threads: Cores to use on a processor.
        batch_tokens: Padded tokens computed at a time; None for what suits the device.
        deferred: Whether the rows of a batch come back together; None for what suits the device.
    """

    def __init__(
        self,
        encoder: GeneralEncoder,
        *,
        threads: int,
        batch_tokens: int | None = None,
        deferred: bool | None = None,
    ) -> None:
        self.device = encoder.base.device
        self._encoder = encoder
        on_cpu = self.device == "cpu"
        self._budget = Budget(batch_tokens or (CPU_BATCH_TOKENS if on_cpu else GPU_BATCH_TOKENS), self.device)
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
        return self._budget.run(lambda tokens: self._run(batch, plan, tokens))

    def _run(self, batch: Sequence[TokenizedText], plan: EncodePlan, tokens: int) -> list[NDArray[np.float32]]:
        """As `run`, with so many padded tokens at a time."""
        base = self._encoder.base
        answer = Answer(batch, plan, base.structure.hidden_size, self.device, deferred=self._deferred)
        interventions = Interventions(plan.edits, self.device)

        def compute(members: NDArray[np.int64]) -> Chunk:
            packed = pack(batch, members, _no_positions)
            texts = [batch[place] for place in members]
            groups = gather(texts, packed.starts, plan.pooling, self.device)
            chunk = answer.chunk(members)
            self._compute(
                texts, packed, plan, interventions, lambda layer, rows_TD: chunk.put(layer, pool(rows_TD, groups))
            )
            chunk.send()
            return chunk

        lengths = [len(text) for text in batch]
        chunks = buckets(lengths, answer.at_once(tokens), self._workers.threads, padded=base.padded)
        return answer.fill(compute, chunks, self._workers)

    def predict(self, batch: Sequence[TokenizedText], plan: PredictPlan) -> list[Prediction]:
        """What the head says at every position of the texts, in order; views into one block.

        Each set of edits is a run of its own from the embeddings, as a module of transformers cannot be entered in the
        middle; equal sets are run once.

        Args:
            batch: At least one text, each of at least one token.
            plan: Fits the model, which has a head.

        Raises:
            NotFinite: The model, or an edit, drives the hidden states or the logits out of the finite numbers.
        """
        return self._budget.run(lambda tokens: self._predict(batch, plan, tokens))

    def _predict(self, batch: Sequence[TokenizedText], plan: PredictPlan, tokens: int) -> list[Prediction]:
        """As `predict`, with so many padded tokens at a time."""
        head, base = self._encoder.head, self._encoder.base
        if head is None:
            raise ValueError("Expected a model with a masked-language-model head")
        dtype = torch.bfloat16 if plan.dtype == "bfloat16" else torch.float32
        lengths = [len(text) for text in batch]
        offsets = np.cumsum([0, *lengths])
        shape = (int(offsets[-1]), len(plan.settings), len(plan.layers), plan.top_k)
        token_ids = torch.empty(shape, dtype=torch.int32)
        scores = torch.empty((*shape[:-1], plan.top_k if plan.scores else 0), dtype=torch.float32)
        settings: dict[tuple[str, ...], list[int]] = {}
        for place, edits in enumerate(plan.settings):
            key = tuple(edit.digest for edit in edits if not edit.is_identity)
            settings.setdefault(key, []).append(place)

        def compute(members: NDArray[np.int64]) -> None:
            packed = pack(batch, members, _no_positions)
            texts = [batch[place] for place in members]
            places = torch.from_numpy(answer_places(members, offsets))
            for alike in settings.values():

                def see(layer: int, rows_TD: Tensor, alike: Sequence[int] = alike) -> None:
                    found, likely = decode(head, rows_TD[: packed.rows], plan.top_k, dtype, scores=plan.scores)
                    found, likely = found.to("cpu", torch.int32), finite(likely, layer).to("cpu")
                    for column, wanted in enumerate(plan.layers):
                        for member in alike if wanted == layer else ():
                            token_ids[:, member, column].index_copy_(0, places, found)
                            if plan.scores:
                                scores[:, member, column].index_copy_(0, places, likely)

                self._compute(texts, packed, plan, Interventions(plan.settings[alike[0]], self.device), see)

        self._workers.run(compute, buckets(lengths, tokens, self._workers.threads, padded=base.padded))
        all_ids, all_scores = token_ids.numpy(), scores.numpy()
        return [
            Prediction(all_ids[first:last], all_scores[first:last])
            for first, last in zip(offsets[:-1].tolist(), offsets[1:].tolist(), strict=True)
        ]

    def _compute(
        self,
        texts: Sequence[TokenizedText],
        packed: Pack,
        plan: Plan,
        interventions: Interventions,
        see: Callable[[int, Tensor], None],
    ) -> None:
        """Run one batch up to the highest layer wanted: edit every layer, show the rows of those that are wanted."""
        base = self._encoder.base
        with torch.inference_mode():
            layout = Layout.of(packed, self.device)
            rows = Rows(packed.lengths, int(packed.lengths.max()), len(packed.ids) - packed.rows, self.device)

            def visit(layer: int, hidden_BTD: Tensor) -> Tensor:
                if layer not in plan.layers and not interventions.touches(layer):
                    return hidden_BTD
                return rows.changed(hidden_BTD, lambda rows_TD: edited(layer, rows_TD))

            def edited(layer: int, rows_TD: Tensor) -> Tensor:
                rows_TD = interventions.apply(layer, rows_TD, layout)
                if layer in plan.layers:
                    see(layer, rows_TD)
                return rows_TD

            inputs = arguments(texts, base.languages, base.padding, self.device)
            self._encoder.taps.run(inputs, visit, max(plan.layers), rounded=plan.dtype == "bfloat16")

    def table_rows(self, ids: NDArray[np.int64], language: int | None, edits: Sequence[Edit]) -> NDArray[np.float32]:
        """Rows of the word embedding table, [n, e], after the edits of layer 0.

        Raises:
            NotFinite: The table, or an edit, has numbers that are not finite.
        """
        del language  # all share the table
        return rows_of(word_table(self._encoder.taps.module), ids, edits)

    def close(self) -> None:
        """End the threads."""
        self._workers.close()


def _no_positions(ids: NDArray[np.int64]) -> NDArray[np.int64]:
    """The modules number their tokens themselves."""
    return np.zeros_like(ids)
