"""The synchronous client of the encoder."""

import time
from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeVar

import grpc

from babelscope.calls.base import EncoderBase, Tokens, count
from babelscope.calls.encode import EncodeSession, FloatType, Overflow, Pooling, Window, encode_spec
from babelscope.data.activations import Activations, Gather, Progress
from babelscope.data.models import Intervention, Model, ModelInfo
from babelscope.data.texts import Text
from babelscope.sync.streams import EncodeStream, StreamParts
from babelscope.transport.channel import ClientConfig, open_channel
from babelscope.v1 import encoder_pb2_grpc

Answer = TypeVar("Answer")


class EncoderClient(EncoderBase):
    """Asks the encoder for hidden states. Threads may share one client.

    Args:
        config: Where the server is, and how to speak to it; an address alone will do.
        channel: The transport; opened to the configured address where None.
    """

    def __init__(self, config: ClientConfig | str, *, channel: grpc.Channel | None = None) -> None:
        super().__init__(config)
        self._channel = channel or open_channel(self._config)
        self._stub = encoder_pb2_grpc.EncoderServiceStub(self._channel)

    def close(self) -> None:
        """Closes the channel."""
        self._channel.close()

    def list_models(self, *, timeout: float | None = None) -> list[ModelInfo]:
        """All models that the server knows, those that it refuses with the reason.

        Raises:
            RpcError: The server answered with an error, or could not be reached.
        """
        models: list[ModelInfo] = []
        token = ""
        while True:
            page = self._unary("ListModels", self._stub.ListModels, self._list_request(token), timeout)
            models += self._models(page)
            token = page.next_page_token
            if not token:
                return models

    def get_model(self, model: Model | str, *, timeout: float | None = None) -> ModelInfo:
        """One model, loaded if need be.

        Raises:
            NotFound: There is no such model; `.nearby` has names that look alike.
            Refused: It cannot be served; the message says why.
        """
        seconds = self._config.load_timeout if timeout is None else timeout
        return ModelInfo.from_proto(self._unary("GetModel", self._stub.GetModel, self._get_request(model), seconds))

    def tokenize(
        self,
        texts: Iterable[Text | str],
        *,
        model: Model | str,
        overflow: Overflow = "refuse",
        timeout: float | None = None,
    ) -> list[Tokens]:
        """The pieces of texts as a model sees them, in order.

        Raises:
            InvalidRequest: A text is empty, or too long under `refuse`.
        """
        seconds = self._config.load_timeout if timeout is None else timeout
        request = self._tokenize_request(texts, model, overflow)
        return self._tokens(self._unary("Tokenize", self._stub.Tokenize, request, seconds))

    def encode(
        self,
        texts: Iterable[Text | str],
        *,
        model: Model | str,
        layers: Sequence[int] | None = None,
        pooling: Pooling = "mean",
        interventions: Sequence[Intervention] = (),
        overflow: Overflow = "refuse",
        compute_dtype: FloatType = "float32",
        output_dtype: FloatType = "float32",
        max_tokens: int | None = None,
        progress: Callable[[Progress], None] | None = None,
        timeout: float | None = None,
    ) -> Activations:
        """Hidden states of texts, in the order of the texts.

        Args:
            texts: Read lazily; a plain string gets its position as id.
            model: The weights.
            layers: Hidden states wanted, 0..L, in the order of the answer; all where None.
            pooling: `mean` over the non-special tokens, `cls`, or `token` for every position.
            interventions: Edits of the hidden states.
            overflow: `refuse` or `truncate` texts of too many tokens.
            compute_dtype: Arithmetic of the model.
            output_dtype: Elements of the answer on their way.
            max_tokens: Longest input in tokens; the model's own limit where None.
            progress: Called after every block.
            timeout: Seconds for the whole call.

        Raises:
            InvalidRequest: `.field` names what is wrong.
            RpcError: The server answered with another error, or could not be reached for too long.
        """
        total = count(texts)
        spec = encode_spec(
            model,
            layers=layers,
            pooling=pooling,
            interventions=interventions,
            overflow=overflow,
            compute_dtype=compute_dtype,
            output_dtype=output_dtype,
            max_tokens=max_tokens,
        )
        session = EncodeSession(spec, keep_ids=True)
        gather = Gather(session.ids, total)
        with self._open(session, texts, timeout) as stream:
            for block in stream:
                gather.add(block, stream.info)
                if progress is not None:
                    progress(Progress("encode", gather.done, total or 0))
        return gather.finish(stream.info, stream.totals)

    def stream(
        self,
        texts: Iterable[Text | str],
        *,
        model: Model | str,
        layers: Sequence[int] | None = None,
        pooling: Pooling = "mean",
        interventions: Sequence[Intervention] = (),
        overflow: Overflow = "refuse",
        compute_dtype: FloatType = "float32",
        output_dtype: FloatType = "float32",
        max_tokens: int | None = None,
        timeout: float | None = None,
        window: Window | None = None,
    ) -> EncodeStream:
        """Hidden states of texts in blocks, as they are ready, in no fixed order. Arguments are those of `encode`.

        Args:
            texts: Read lazily, in a thread of gRPC's, no further ahead than the window.
            model: The weights.
            layers: Hidden states wanted; all where None.
            pooling: `mean`, `cls` or `token`.
            interventions: Edits of the hidden states.
            overflow: `refuse` or `truncate`.
            compute_dtype: Arithmetic of the model.
            output_dtype: Elements of the answer on their way.
            max_tokens: Longest input in tokens.
            timeout: Seconds for the whole call.
            window: How much is in flight at once.
        """
        spec = encode_spec(
            model,
            layers=layers,
            pooling=pooling,
            interventions=interventions,
            overflow=overflow,
            compute_dtype=compute_dtype,
            output_dtype=output_dtype,
            max_tokens=max_tokens,
        )
        return self._open(EncodeSession(spec, window), texts, timeout)

    def _open(self, session: EncodeSession, texts: Iterable[Text | str], timeout: float | None) -> EncodeStream:
        """A stream of blocks; it calls when it is first read."""
        retry = self._retry(self._stream_timeout(timeout))
        return EncodeStream(StreamParts(self._stub.Encode, session, retry, self._config, self._translate), texts)

    def _unary(self, name: str, method: Callable[..., Answer], request: Any, timeout: float | None) -> Answer:
        """A call with one answer, tried again where that is of use."""
        retry = self._retry(self._config.timeout if timeout is None else timeout)
        request_id = self._config.new_request_id()
        metadata = self._config.metadata(request_id)
        while True:
            try:
                answer = method(request, timeout=retry.remaining(), metadata=metadata)
            except grpc.RpcError as error:
                time.sleep(retry.delay(self._translate(error, name, request_id)))
            else:
                retry.alive()
                return answer
