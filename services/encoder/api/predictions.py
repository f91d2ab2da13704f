"""Messages about predicted tokens to domain values and back."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from babelscope.data.tensors import to_proto
from babelscope.v1 import encoder_pb2, tensor_pb2
from numpy.typing import NDArray

from services.encoder.api.paths import at
from services.encoder.api.requests import Asked, read_spec
from services.encoder.api.responses import TYPES, loaded_model
from services.encoder.engine import Engine
from services.encoder.queue.answers import CANDIDATE_BYTES, Item, PredictedBlock
from services.models.api.messages import read_edit
from services.models.artifacts import Objects
from services.models.spec import Edit, ModelInfo, Prediction, PredictPlan, TokenizedText
from services.runtime.errors import InvalidArgument, LimitExceeded

MOST_CANDIDATES: Final = 256
"""Candidates a position."""
_PIECES_AT_ONCE: Final = 1024
"""Pieces of the vocabulary a message."""
_TOKEN_BYTES: Final = 16
"""Room that is left in a message for each of a text's own tokens."""


@dataclass(frozen=True, eq=False)
class AskedPrediction:
    """A PredictTokensSpec, checked as far as that needs no model.

    Attributes:
        encode: The model, its layers and its limits.
        settings: Sets of edits, with those that all of them share.
        top_k: Candidates a position.
        scores: Whether log-probabilities are wanted.
    """

    encode: Asked
    settings: tuple[tuple[Edit, ...], ...]
    top_k: int
    scores: bool = True

    def plan(self, info: ModelInfo) -> PredictPlan:
        """What the model computes: its last layer where none are named."""
        encode = self.encode
        layers = encode.layers or (info.layers,)
        return PredictPlan(self.settings, layers, self.top_k, encode.compute, len(encode.edits), self.scores)

    def limit(self, info: ModelInfo) -> int:
        """Longest input in tokens in force.

        Raises:
            InvalidArgument: `max_tokens` is outside what the model takes.
        """
        with at("spec.", "spec.encode."):
            return self.encode.limit(info)


def read_prediction(
    spec: encoder_pb2.PredictTokensSpec, store: Objects, *, max_interventions: int, max_settings: int
) -> AskedPrediction:
    """Reads a PredictTokensSpec. Reads the store: call it in a thread.

    Args:
        spec: The message.
        store: Store of named arrays.
        max_interventions: Limit of the server, a setting.
        max_settings: Limit of the server.

    Raises:
        InvalidArgument: A field is wrong.
        LimitExceeded: Too many settings, interventions or candidates.
        ServiceError: What the store raises.
    """
    with at("spec.", "spec.encode."):
        encode = read_spec(spec.encode, store, max_interventions)
    if spec.top_k < 0:
        raise InvalidArgument("spec.top_k", f"Expected `top_k` of 0 or more, but got {spec.top_k}")
    if spec.top_k > MOST_CANDIDATES:
        raise LimitExceeded(
            "spec.top_k", f"Expected at most {MOST_CANDIDATES} candidates a position, but got {spec.top_k}"
        )
    if len(spec.settings) > max_settings:
        raise LimitExceeded(
            "max_settings", f"Expected at most {max_settings} settings a request, but got {len(spec.settings)}"
        )
    settings = []
    for place, setting in enumerate(spec.settings):
        edits = len(encode.edits) + len(setting.interventions)
        if edits > max_interventions:
            raise LimitExceeded(
                "max_interventions",
                f"Expected at most {max_interventions} interventions a setting, but spec.settings[{place}] has {edits} "
                "with those of `encode`",
            )
        own = (
            read_edit(edit, store, f"spec.settings[{place}].interventions[{number}]")
            for number, edit in enumerate(setting.interventions)
        )
        settings.append((*encode.edits, *own))
    return AskedPrediction(
        encode, tuple(settings) or (encode.edits,), spec.top_k or 1, not spec.without_log_probabilities
    )


def check_size(plan: PredictPlan, longest: int, max_message_bytes: int) -> None:
    """Makes sure that the predictions for the longest text fit one message.

    Args:
        plan: Layers, settings and candidates.
        longest: Tokens of the longest text that may come.
        max_message_bytes: Limit of the server.

    Raises:
        LimitExceeded: They do not.
    """
    needed = longest * (plan.candidates * CANDIDATE_BYTES + _TOKEN_BYTES)
    if needed > max_message_bytes:
        raise LimitExceeded(
            "max_message_bytes",
            f"Expected predictions of at most {max_message_bytes} bytes a text, but {len(plan.settings)} settings, "
            f"{len(plan.layers)} layers and {plan.top_k} candidates need up to {needed} for {longest} tokens; ask for "
            "fewer of them, or set `max_tokens`",
        )


def predicting(
    info: ModelInfo, asked: AskedPrediction, plan: PredictPlan, device: str, limit: int
) -> encoder_pb2.PredictTokensResponse:
    """What a PredictTokens request resolved to."""
    return encoder_pb2.PredictTokensResponse(
        started=encoder_pb2.PredictTokensStarted(
            model=loaded_model(info),
            layers=plan.layers,
            settings=len(plan.settings),
            top_k=plan.top_k,
            compute_dtype=TYPES[asked.encode.compute],
            device=device,
            max_tokens=limit,
        )
    )


class NamedPieces:
    """The pieces of the vocabulary that one stream has been told.

    Args:
        engine: Engine whose vocabulary it is.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._told = np.zeros(engine.info.vocabulary_size, dtype=bool)

    def messages(self, block: PredictedBlock) -> Iterator[encoder_pb2.PredictTokensResponse]:
        """The pieces that a block names and the stream has not been told yet."""
        named = np.zeros_like(self._told)
        for text, prediction in zip(block.texts, block.predictions, strict=True):
            named[text.ids] = True
            named[prediction.token_ids] = True
        new = np.flatnonzero(named & ~self._told)
        self._told |= named
        for start in range(0, len(new), _PIECES_AT_ONCE):
            ids = new[start : start + _PIECES_AT_ONCE]
            pieces = dict(zip(ids.tolist(), self._engine.pieces(ids), strict=True))
            yield encoder_pb2.PredictTokensResponse(pieces=encoder_pb2.VocabularyPieces(pieces=pieces))


def predicted(block: PredictedBlock) -> encoder_pb2.PredictTokensResponse:
    """Predictions for the texts of a block."""
    texts = [
        _text(item, text, prediction)
        for item, text, prediction in zip(block.items, block.texts, block.predictions, strict=True)
    ]
    return encoder_pb2.PredictTokensResponse(predicted=encoder_pb2.PredictedTexts(texts=texts))


def _text(item: Item, text: TokenizedText, prediction: Prediction) -> encoder_pb2.PredictedText:
    return encoder_pb2.PredictedText(
        index=item.index,
        id=item.id,
        input_ids=text.ids.tolist(),
        special=text.special.tolist(),
        truncated=item.truncated,
        token_ids=to_proto(_by_setting(prediction.token_ids), tensor_pb2.DATA_TYPE_I32),
        log_probabilities=to_proto(_by_setting(prediction.log_probabilities), tensor_pb2.DATA_TYPE_F32),
    )


def _by_setting(array: NDArray[Any]) -> NDArray[Any]:
    """[T, settings, layers, k] as [settings, layers, T, k]."""
    return np.ascontiguousarray(array.transpose(1, 2, 0, 3))
