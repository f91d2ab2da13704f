"""A loaded model: texts to tokens, tokens to hidden states."""

import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Final

import numpy as np
from numpy.typing import NDArray

from services.encoder.backends.base import Backend, NotFinite
from services.models.general.languages import Languages
from services.models.layers import interventions
from services.models.layers.packing import by_language
from services.models.spec import (
    ComputeType,
    Edit,
    EncodePlan,
    EngineName,
    ModelInfo,
    Prediction,
    PredictPlan,
    TokenizedText,
)
from services.models.tokens.pieces import single_pieces
from services.models.tokens.tokenization import Tokenizer
from services.runtime.devices import DeviceLost, is_device_lost
from services.runtime.errors import FailedPrecondition, InvalidArgument

_ARITHMETIC: Final[Mapping[EngineName, tuple[ComputeType, ...]]] = {
    "packed": ("float32", "bfloat16"),
    "general": ("float32", "bfloat16"),
    "onnx": ("float32", "int8"),
}
"""What an engine may compute in."""


class Engine:
    """A loaded model. All methods may be called from any thread; `encode` runs one batch at a time.

    Args:
        info: Description of the model.
        tokenizer: Its tokenizer.
        backend: Its weights on a device.
        languages: The languages that it must be told; None where it needs none.

    Attributes:
        info: Description of the model.
        device: Device of the model, `cpu` or `cuda:0`.
    """

    def __init__(
        self, info: ModelInfo, tokenizer: Tokenizer, backend: Backend, languages: Languages | None = None
    ) -> None:
        self.info = info
        self.device = backend.device
        self._tokenizer = tokenizer
        self._backend = backend
        self._languages = languages
        self._one_batch = threading.Lock()

    def tokenize(
        self,
        texts: Sequence[str],
        *,
        max_tokens: int | None = None,
        languages: Sequence[str] | None = None,
        field: str = "texts",
        offset: int = 0,
    ) -> list[TokenizedText]:
        """Cut texts into tokens, special tokens included.

        Args:
            texts: The texts.
            languages: The language tag of each, empty where not known; read by models that must be told it.
            field: Path of the list of texts in the request.
            offset: Position of the first of `texts` in that list.
            max_tokens: Longer ones are cut, special tokens kept, and say so by `.truncated` and `.full_length`; None
                for the model's own limit.

        Raises:
            InvalidArgument: A limit beyond the model's, or without room for a token beside the special ones; or the
                model must be told the language of a text, and is told none that it has.
        """
        limit = self.info.max_tokens if max_tokens is None else max_tokens
        fewest = self._tokenizer.special_count + 1
        if not fewest <= limit <= self.info.max_tokens:
            raise InvalidArgument(
                "spec.max_tokens",
                f"Expected a limit within {fewest}..{self.info.max_tokens} for model {self.info.name}, but got {limit}",
            )
        told = languages or [""] * len(texts)
        if self._languages is None:
            return self._tokenizer.tokenize(texts, limit)
        codes = [
            self._languages.code(tag, f"{field}[{place}].language", self.info.name)
            for place, tag in enumerate(told, start=offset)
        ]
        found: dict[int, TokenizedText] = {}
        for members in by_language(codes):
            code = codes[members[0]]
            cut = self._tokenizer.of(code).tokenize([texts[place] for place in members], limit)
            found.update((place, self._languages.told(text, code)) for place, text in zip(members, cut, strict=True))
        return [found[place] for place in range(len(texts))]

    def warm_up(self) -> None:
        """Encode one short text: a GPU loads its kernels at their first call, which takes seconds.

        Raises:
            FailedPrecondition: The model gives hidden states that are not finite.
            DeviceLost: The device computes no more.
        """
        languages = None if self._languages is None else self._languages.names[:1]
        self.encode(self.tokenize(["a"], languages=languages), EncodePlan((self.info.layers,)))

    def pieces(self, ids: Sequence[int] | NDArray[np.int64]) -> list[str]:
        """The vocabulary's entries for token ids; empty for ids that it does not have."""
        return self._tokenizer.pieces([int(token) for token in ids])

    def validate(self, plan: EncodePlan) -> None:
        """Make sure that this model can run a plan.

        Raises:
            InvalidArgument: Names the field, what was expected and what was got.
        """
        if not plan.layers:
            raise InvalidArgument("spec.layers", "Expected at least one layer, but got none")
        self._validate_layers(plan.layers, "spec.layers")
        if plan.dtype not in _ARITHMETIC[self.info.engine]:
            raise InvalidArgument("spec.compute_dtype", _other_arithmetic(self.info, plan.dtype))
        self._validate_edits(plan.edits, "spec.interventions")

    def validate_prediction(self, plan: PredictPlan) -> None:
        """Make sure that this model can run a plan.

        Raises:
            FailedPrecondition: It has no masked-language-model head; says why.
            InvalidArgument: Names the field, what was expected and what was got.
        """
        if not self.info.predicts_tokens:
            raise FailedPrecondition(f"model {self.info.name}", f"it predicts no tokens, as {self.info.headless}")
        self._validate_layers(plan.layers, "spec.encode.layers")
        if not 1 <= plan.top_k <= self.info.vocabulary_size:
            raise InvalidArgument(
                "spec.top_k",
                f"Expected a number within 1..{self.info.vocabulary_size}, the vocabulary of model {self.info.name}, "
                f"but got {plan.top_k}",
            )
        for place, edits in enumerate(plan.settings):
            self._validate_edits(edits[: plan.shared], "spec.encode.interventions")
            self._validate_edits(edits[plan.shared :], f"spec.settings[{place}].interventions")

    def _validate_layers(self, layers: Sequence[int], field: str) -> None:
        for place, layer in enumerate(layers):
            if not 0 <= layer <= self.info.layers:
                raise InvalidArgument(
                    f"{field}[{place}]",
                    f"Expected `layers` within 0..{self.info.layers} for model {self.info.name}, but got {layer}",
                )

    def _validate_edits(self, edits: Sequence[Edit], field: str) -> None:
        for place, edit in enumerate(edits):
            info = self.info
            interventions.check(edit, f"{field}[{place}]", info.layers, info.hidden_size, info.name, digest=info.digest)

    def encode(self, batch: Sequence[TokenizedText], plan: EncodePlan) -> list[NDArray[np.float32]]:
        """Hidden states of a batch.

        Args:
            batch: Texts as `tokenize` gives them, of any lengths.
            plan: Layers, pooling and edits to compute.

        Returns:
            One [rows, K, d] float32 array a text, in order; K are the plan's layers, rows 1 where pooled and the
            text's tokens otherwise. They are views into one block. A text without tokens of its own has mean zero.

        Raises:
            InvalidArgument: The plan, or a token, does not fit the model; or the edits make hidden states infinite.
            FailedPrecondition: The model gives hidden states that are not finite.
            DeviceLost: The device computes no more.
        """
        self.validate(plan)
        with self._running(batch, "spec.interventions" if plan.edits else ""):
            return self._backend.run(batch, plan) if batch else []

    def predict(self, batch: Sequence[TokenizedText], plan: PredictPlan) -> list[Prediction]:
        """What the masked-language-model head says at every position of a batch, special tokens included.

        Args:
            batch: Texts as `tokenize` gives them, of any lengths.
            plan: Layers, settings and candidates.

        Returns:
            One prediction a text, in order.

        Raises:
            InvalidArgument: The plan, or a token, does not fit the model; or the edits make hidden states infinite.
            FailedPrecondition: The model has no head, or gives hidden states that are not finite.
            DeviceLost: The device computes no more.
        """
        self.validate_prediction(plan)
        with self._running(batch, "spec.settings" if any(plan.settings) else ""):
            return self._backend.predict(batch, plan) if batch else []

    def table_rows(
        self, words: Sequence[str], edits: Sequence[Edit], language: str = ""
    ) -> tuple[list[str], NDArray[np.float32]]:
        """The words that are one piece, each with its row of the word embedding table.

        Args:
            words: The words.
            edits: Edits of layer 0, of the table's width.
            language: Language tag of all words; read by models that must be told it.

        Returns:
            w of the words, and [w, e] float32.

        Raises:
            InvalidArgument: An edit does not fit the table, or makes rows infinite; or the model must be told the
                language, and is told none that it has.
            FailedPrecondition: The table has numbers that are not finite.
            DeviceLost: The device computes no more.
        """
        languages = self._languages
        code = None if languages is None else languages.code(language, "spec.language", self.info.name)
        ids = single_pieces(self._tokenizer.of(code).backend, words)
        kept = np.flatnonzero((ids >= 0) & (ids < self.info.vocabulary_size))
        with self._running((), "spec.interventions" if edits else ""):
            plain = self._backend.table_rows(ids[kept], code, ())
            info = self.info
            for place, edit in enumerate(edits):
                field = f"spec.interventions[{place}]"
                interventions.check(edit, field, 0, plain.shape[1], info.name, digest=info.digest)
            rows = self._backend.table_rows(ids[kept], code, edits) if edits else plain
        return [words[place] for place in kept.tolist()], rows

    @contextmanager
    def _running(self, batch: Sequence[TokenizedText], edits: str) -> Iterator[None]:
        """Checks a batch and takes the device; the field of the edits is blamed for what is not finite, if any."""
        for place, text in enumerate(batch):
            self._check_tokens(place, text)
        with self._one_batch:
            try:
                yield
            except NotFinite as error:
                if edits:
                    raise InvalidArgument(
                        edits, f"Expected edits that keep hidden states finite, but at layer {error.layer} they are not"
                    ) from error
                raise FailedPrecondition(
                    f"model {self.info.name}", f"its hidden states at layer {error.layer} are not finite numbers"
                ) from error
            except Exception as error:  # ONNX Runtime's errors have no common base
                if is_device_lost(error):
                    raise DeviceLost from error
                raise

    def _check_tokens(self, place: int, text: TokenizedText) -> None:
        """Make sure that a text's tokens have embeddings and positions."""
        if not 1 <= len(text) <= self.info.max_tokens:
            raise InvalidArgument(
                f"texts[{place}]",
                f"Expected 1..{self.info.max_tokens} tokens for model {self.info.name}, but got {len(text)}",
            )
        if text.ids.min() < 0 or text.ids.max() >= self.info.vocabulary_size:
            raise InvalidArgument(
                f"texts[{place}]",
                f"Expected tokens within 0..{self.info.vocabulary_size - 1} for model {self.info.name}, "
                f"but got {int(text.ids.max())}",
            )

    def close(self) -> None:
        """Release the worker threads, after the batch in hand. The engine cannot be used afterwards."""
        with self._one_batch:
            self._backend.close()


def _other_arithmetic(info: ModelInfo, dtype: ComputeType) -> str:
    """That an engine does not compute in a type."""
    backend = "ONNX" if info.engine == "onnx" else "TORCH"
    return f"Expected {' or '.join(_ARITHMETIC[info.engine])} under backend {backend}, but got {dtype}"
