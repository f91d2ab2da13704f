"""Domain values to messages of answers."""

from collections.abc import Sequence
from typing import Final

from babelscope.v1 import encoder_pb2, model_pb2, tensor_pb2

from services.encoder.api.requests import Asked
from services.encoder.graphs.installed import lacking
from services.encoder.queue.streams import Stream
from services.encoder.registry import Listed, State
from services.models.spec import EncodePlan, ModelInfo, Pooling, TokenizedText

POOLINGS: Final = {
    Pooling.MEAN: model_pb2.POOLING_MEAN,
    Pooling.CLS: model_pb2.POOLING_CLS,
    Pooling.TOKEN: model_pb2.POOLING_TOKEN,
    Pooling.WORD_FIRST: model_pb2.POOLING_WORD_FIRST,
    Pooling.WORD_MEAN: model_pb2.POOLING_WORD_MEAN,
    Pooling.SPAN: model_pb2.POOLING_SPAN,
}
ENGINES: Final = {
    "packed": model_pb2.ENGINE_PACKED,
    "general": model_pb2.ENGINE_GENERAL,
    "onnx": model_pb2.ENGINE_ONNX,
}
BACKENDS: Final = {"torch": model_pb2.BACKEND_TORCH, "onnx": model_pb2.BACKEND_ONNX}
TYPES: Final = {
    "float32": tensor_pb2.DATA_TYPE_F32,
    "bfloat16": tensor_pb2.DATA_TYPE_BF16,
    "int8": tensor_pb2.DATA_TYPE_I8,
}
_STATES: Final = {
    State.AVAILABLE: model_pb2.MODEL_STATE_AVAILABLE,
    State.LOADING: model_pb2.MODEL_STATE_LOADING,
    State.READY: model_pb2.MODEL_STATE_READY,
    State.REFUSED: model_pb2.MODEL_STATE_REFUSED,
}


def loaded_model(info: ModelInfo) -> model_pb2.Model:
    """A model in memory."""
    onnx_reason = lacking()
    return model_pb2.Model(
        name=info.name,
        revision=info.revision,
        family=info.family,
        layers=info.layers,
        hidden_size=info.hidden_size,
        heads=info.heads,
        vocabulary_size=info.vocabulary_size,
        max_tokens=info.max_tokens,
        parameters=info.parameters,
        digest=info.digest,
        state=model_pb2.MODEL_STATE_READY,
        predicts_tokens=info.predicts_tokens,
        poolings=POOLINGS.values(),
        engine=ENGINES[info.engine],
        languages=info.languages,
        backends=[BACKENDS["torch"]] if onnx_reason else BACKENDS.values(),
        onnx_reason=onnx_reason,
    )


def listed_model(listed: Listed) -> model_pb2.Model:
    """A model of the list, in memory or not."""
    if listed.info is not None:
        return loaded_model(listed.info)
    summary = listed.summary
    return model_pb2.Model(
        name=listed.name,
        revision=listed.revision,
        family=summary.family if summary else "",
        state=_STATES[listed.state],
        reason=summary.reason if summary else "",
        poolings=() if listed.state is State.REFUSED else POOLINGS.values(),
    )


def started(info: ModelInfo, asked: Asked, plan: EncodePlan, device: str, limit: int) -> encoder_pb2.EncodeResponse:
    """What an Encode request resolved to."""
    return encoder_pb2.EncodeResponse(
        started=encoder_pb2.EncodeStarted(
            model=loaded_model(info),
            layers=plan.layers,
            pooling=POOLINGS[plan.pooling],
            compute_dtype=TYPES[asked.compute],
            device=device,
            max_tokens=limit,
            backend=BACKENDS[asked.backend],
        )
    )


def finished(stream: Stream) -> encoder_pb2.EncodeFinished:
    """The totals of a request."""
    return encoder_pb2.EncodeFinished(
        texts=stream.answered,
        tokens=stream.tokens,
        truncated=stream.truncated,
        queue_seconds=stream.queue_seconds,
        compute_seconds=stream.compute_seconds,
        empty_rows=stream.empty_rows,
    )


def tokenized(name: str, text: TokenizedText, pieces: Sequence[str]) -> encoder_pb2.TokenizedText:
    """One text as the model sees it."""
    return encoder_pb2.TokenizedText(
        id=name,
        token_ids=text.ids.tolist(),
        tokens=pieces,
        starts=text.starts.tolist(),
        ends=text.ends.tolist(),
        special=text.special.tolist(),
        truncated=text.truncated,
    )
