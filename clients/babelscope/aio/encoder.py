"""The asynchronous client of the encoder."""

from collections.abc import Iterable
from typing import ClassVar, Unpack

from babelscope.aio.client import AsyncClient
from babelscope.aio.streams import AsyncEncodeStream, Texts
from babelscope.calls.encode import EncodeSession, Window, encode_spec
from babelscope.calls.options import EncodeOptions, FloatType, Overflow
from babelscope.calls.tokens import Tokens, tokenize_request
from babelscope.data.activations import Activations, Gather, Progress, ShowProgress
from babelscope.data.models import Model, ModelInfo, Unloaded
from babelscope.data.texts import Text, count
from babelscope.transport.services import ENCODER, Service
from babelscope.v1 import encoder_pb2, encoder_pb2_grpc


class AsyncEncoderClient(AsyncClient):
    """Asks the encoder for hidden states. Tasks of one loop may share one client.

    Args:
        config: Address of the server and how to speak to it; a plain address will do.
        channel: The transport; opened to the configured address where None.
    """

    _service: ClassVar[Service] = ENCODER
    _stub = encoder_pb2_grpc.EncoderServiceStub

    async def list_models(self, *, timeout: float | None = None) -> list[ModelInfo]:
        """All models that the server knows, those that it refuses with the reason.

        Raises:
            RpcError: The server answered with an error, or could not be reached.
        """
        pages = await self._pages("ListModels", encoder_pb2.ListModelsRequest, timeout)
        return [ModelInfo.from_proto(model) for page in pages for model in page.models]

    async def get_model(self, model: Model | str, *, timeout: float | None = None) -> ModelInfo:
        """One model, loaded if need be.

        Raises:
            NotFound: There is no such model; `.nearby` has names that look alike.
            Refused: It cannot be served; the message says why.
        """
        request = encoder_pb2.GetModelRequest(model=Model.of(model).to_proto())
        return ModelInfo.from_proto(await self._caller.unary("GetModel", request, self._load_timeout(timeout)))

    async def load_model(self, model: Model | str, *, pin: bool = False, timeout: float | None = None) -> ModelInfo:
        """Loads a model, so that the first request for it need not wait.

        Args:
            model: Model to load.
            pin: Keep it in memory until it is unloaded, whatever else is asked for.
            timeout: Seconds for the call.

        Raises:
            NotFound: There is no such model; `.nearby` has names that look alike.
            LimitExceeded: There is no room for it.
            Refused: It cannot be served; the message says why.
        """
        request = encoder_pb2.LoadModelRequest(model=Model.of(model).to_proto(), pin=pin)
        answer = await self._caller.unary("LoadModel", request, self._load_timeout(timeout))
        return ModelInfo.from_proto(answer.model)

    async def unload_model(self, model: Model | str, *, timeout: float | None = None) -> Unloaded:
        """Drops a model and its re-initialised variants from memory; what is in use once it is no longer used.

        Raises:
            RpcError: The server answered with an error, or could not be reached.
        """
        request = encoder_pb2.UnloadModelRequest(model=Model.of(model).to_proto())
        answer = await self._caller.unary("UnloadModel", request, timeout)
        return Unloaded(answer.dropped, answer.in_use)

    async def tokenize(
        self,
        texts: Iterable[Text | str],
        *,
        model: Model | str,
        overflow: Overflow = "refuse",
        language: str = "",
        timeout: float | None = None,
    ) -> list[Tokens]:
        """The pieces of texts as a model sees them, in order.

        Args:
            texts: Read at once; a plain string gets its position as id.
            model: The weights.
            overflow: `refuse` or `truncate` texts of too many tokens.
            language: Language tag of texts that name none; read by models that must be told it.
            timeout: Seconds for the whole call.

        Raises:
            InvalidRequest: A text is empty, or too long under `refuse`.
        """
        request = tokenize_request(texts, model, overflow, language)
        answer = await self._caller.unary("Tokenize", request, self._load_timeout(timeout))
        return [Tokens.from_proto(text) for text in answer.texts]

    async def encode(
        self,
        texts: Texts,
        *,
        model: Model | str,
        output_dtype: FloatType = "float32",
        progress: ShowProgress | None = None,
        timeout: float | None = None,
        **options: Unpack[EncodeOptions],
    ) -> Activations:
        """Hidden states of texts, in the order of the texts.

        Args:
            texts: Read lazily; a plain string gets its position as id.
            model: The weights.
            output_dtype: Elements of the answer on their way.
            progress: Called after every block.
            timeout: Seconds for the whole call.
            options: `layers`, `pooling`, `interventions`, `overflow`, `compute_dtype`, `max_tokens` and
                `language`: see `babelscope.calls.options.EncodeOptions`.

        Raises:
            InvalidRequest: `.field` names what is wrong.
            RpcError: The server answered with another error, or could not be reached for too long.
        """
        total = count(texts)
        session = EncodeSession(encode_spec(model, output_dtype=output_dtype, **options), keep_ids=True)
        gather = Gather(session.ids, total)
        async with AsyncEncodeStream(self._caller, session, texts, timeout) as stream:
            async for block in stream:
                gather.add(block, stream.info)
                if progress is not None:
                    progress(Progress("encode", gather.done, total or 0))
        return gather.finish(stream.info, stream.totals)

    def stream(
        self,
        texts: Texts,
        *,
        model: Model | str,
        output_dtype: FloatType = "float32",
        timeout: float | None = None,
        window: Window | None = None,
        **options: Unpack[EncodeOptions],
    ) -> AsyncEncodeStream:
        """Hidden states of texts in blocks, as they are ready, in no fixed order. Arguments are those of `encode`.

        Args:
            texts: Read lazily, no further ahead than the window.
            model: The weights.
            output_dtype: Elements of the answer on their way.
            timeout: Seconds for the whole call.
            window: How much is in flight at once.
            options: Options, the same as those of `encode`.
        """
        spec = encode_spec(model, output_dtype=output_dtype, **options)
        return AsyncEncodeStream(self._caller, EncodeSession(spec, window), texts, timeout)

    def _load_timeout(self, timeout: float | None) -> float:
        """The deadline of a call that may load a model."""
        return self._caller.config.load_timeout if timeout is None else timeout
