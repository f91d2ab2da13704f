"""The ONNX back end: a graph of ONNX Runtime, on padded batches of texts of similar length."""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from services.encoder.backends.answers import Answer, Chunk
from services.encoder.backends.budget import Budget
from services.encoder.backends.transformers import CPU_BATCH_TOKENS, GPU_BATCH_TOKENS
from services.encoder.backends.workers import Workers
from services.encoder.graphs.edits import CONTENT, SPECIAL, composed
from services.encoder.graphs.session import Session
from services.models.general.languages import Languages
from services.models.general.loading import arguments
from services.models.general.padding import Rows, buckets
from services.models.layers.pooling import gather, pool
from services.models.spec import Edit, EncodePlan, Prediction, PredictPlan, TokenizedText


class OnnxBackend:
    """A graph on a processor or on an accelerator.

    Args:
        session: The graph.
        languages: The languages that the model must be told; None where it needs none.
        threads: Cores to use on a processor.
        batch_tokens: Padded tokens computed at a time; None for what suits the device.
    """

    def __init__(
        self, session: Session, languages: Languages | None, *, threads: int, batch_tokens: int | None = None
    ) -> None:
        self.device = session.device
        self._session = session
        self._languages = languages
        on_cpu = self.device == "cpu"
        self._budget = Budget(batch_tokens or (CPU_BATCH_TOKENS if on_cpu else GPU_BATCH_TOKENS), self.device)
        self._workers = Workers(threads if on_cpu else 1)

    def run(self, batch: Sequence[TokenizedText], plan: EncodePlan) -> list[NDArray[np.float32]]:
        """One [rows, K, d] float32 array a text, in order; views into one block.

        Args:
            batch: At least one text, each of at least one token.
            plan: Fits the model and the graph's arithmetic.

        Raises:
            NotFinite: The model, or an edit, drives the hidden states out of the finite numbers.
        """
        return self._budget.run(lambda tokens: self._run(batch, plan, tokens))

    def _run(self, batch: Sequence[TokenizedText], plan: EncodePlan, tokens: int) -> list[NDArray[np.float32]]:
        """As `run`, with so many padded tokens at a time."""
        facts = self._session.facts
        answer = Answer(batch, plan, facts.hidden_size, self.device)
        edits = composed(plan.edits, facts.hidden_size)

        def compute(members: NDArray[np.int64]) -> Chunk:
            texts = [batch[place] for place in members]
            sizes = np.array([len(text) for text in texts], dtype=np.int64)
            groups = gather(texts, np.cumsum(sizes) - sizes, plan.pooling, self.device)
            chunk = answer.chunk(members)
            with torch.inference_mode():
                inputs = arguments(texts, self._languages, facts.padding, self.device)
                found = self._session.run(inputs, _kinds(texts, self.device), edits, sorted(answer.columns))
                rows = Rows(sizes, int(sizes.max()), 0, self.device)
                for layer, hidden_BTD in found.items():
                    chunk.put(layer, pool(rows.taken(hidden_BTD), groups))
                chunk.send()
            return chunk

        lengths = [len(text) for text in batch]
        chunks = buckets(lengths, answer.at_once(tokens), self._workers.threads, padded=facts.padded)
        return answer.fill(compute, chunks, self._workers)

    def predict(self, batch: Sequence[TokenizedText], plan: PredictPlan) -> list[Prediction]:
        """Nothing: no model of this back end says that it predicts tokens.

        Raises:
            ValueError: Always.
        """
        raise ValueError("Expected a model with a masked-language-model head")

    def table_rows(self, ids: NDArray[np.int64], language: int | None, edits: Sequence[Edit]) -> NDArray[np.float32]:
        """Nothing: requests for the embedding table are read from weights, never from a graph.

        Raises:
            ValueError: Always.
        """
        raise ValueError("Expected a model of which the weights are at hand")

    def close(self) -> None:
        """End the threads."""
        self._workers.close()


def _kinds(texts: Sequence[TokenizedText], device: str) -> Tensor:
    """What each place of a padded batch is, [B, T] int64."""
    kinds = np.full((len(texts), max(map(len, texts))), SPECIAL, dtype=np.int64)
    for row, text in enumerate(texts):
        kinds[row, : len(text)] = np.where(text.special, SPECIAL, CONTENT)
    return torch.from_numpy(kinds).to(device)
