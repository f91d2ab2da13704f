"""The asynchronous client of the encoder."""

from collections.abc import Iterable, Sequence
from typing import ClassVar, Unpack

from babelscope.aio.client import AsyncClient
from babelscope.aio.streams import AsyncEncodeStream, Texts
from babelscope.calls.corpus.corpora import CorpusWork, MeansWork
from babelscope.calls.corpus.means import LayerMeans
from babelscope.calls.corpus.word_means import WordMeans, WordsWork
from babelscope.calls.encode import EncodeSession, Window, computed_by, encode_spec
from babelscope.calls.metrics import Answer, FoldedCall
from babelscope.calls.options import (
    Backend,
    ComputeType,
    EncodeOptions,
    FloatType,
    InputOptions,
    Overflow,
    check_options,
)
from babelscope.calls.predictions import PredictCall, Predictions, Setting, prediction_spec
from babelscope.calls.tokens import Tokens, tokenize_request
from babelscope.data.activations import Activations, Gather, Progress, ShowProgress
from babelscope.data.models import Model, ModelInfo, Unloaded
from babelscope.data.texts import Text, count
from babelscope.transport.encoder_stub import EncoderStub
from babelscope.transport.services import ENCODER, Service
from babelscope.v1 import encoder_pb2


class AsyncEncoderClient(AsyncClient):
    """Asks the encoder for hidden states. Tasks of one loop may share one client.

    Args:
        config: Address of the server and how to speak to it; a plain address will do.
        channel: The transport; opened to the configured address where None.
    """

    _service: ClassVar[Service] = ENCODER
    _stub = EncoderStub

    async def list_models(self, *, timeout: float | None = None) -> list[ModelInfo]:
        """All models that the server knows, those that it refuses with the reason.

        Raises:
            RpcError: The server answered with an error, or could not be reached.
        """
        pages = await self._pages("ListModels", encoder_pb2.ListModelsRequest, timeout)
        return [ModelInfo.from_proto(model) for page in pages for model in page.models]

    async def get_model(
        self,
        model: Model | str,
        *,
        backend: Backend = "torch",
        compute_dtype: ComputeType = "float32",
        timeout: float | None = None,
    ) -> ModelInfo:
        """One model, loaded if need be; `.backends` are those by which requests may have it computed.

        Args:
            model: Model to look at.
            backend: What is to compute it.
            compute_dtype: Arithmetic of the model.
            timeout: Seconds for the call.

        Raises:
            NotFound: There is no such model; `.nearby` has names that look alike.
            Refused: It cannot be served; the message says why.
        """
        request = encoder_pb2.GetModelRequest(model=Model.of(model).to_proto(), **computed_by(backend, compute_dtype))
        return ModelInfo.from_proto(await self._caller.unary("GetModel", request, self._load_timeout(timeout)))

    async def load_model(
        self,
        model: Model | str,
        *,
        pin: bool = False,
        backend: Backend = "torch",
        compute_dtype: ComputeType = "float32",
        timeout: float | None = None,
    ) -> ModelInfo:
        """Loads a model, so that the first request for it need not wait; under `onnx` it is exported where need be.

        Args:
            model: Model to load.
            pin: Keep it in memory until it is unloaded, whatever else is asked for.
            backend: What is to compute it.
            compute_dtype: Arithmetic of the model.
            timeout: Seconds for the call.

        Raises:
            NotFound: There is no such model; `.nearby` has names that look alike.
            LimitExceeded: There is no room for it.
            Refused: It cannot be served; the message says why.
        """
        request = encoder_pb2.LoadModelRequest(
            model=Model.of(model).to_proto(), pin=pin, **computed_by(backend, compute_dtype)
        )
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
            progress: Function that is called after every block.
            timeout: Seconds for the whole call.
            options: `layers`, `pooling`, `interventions`, `overflow`, `compute_dtype`, `backend`, `max_tokens` and
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

    async def predict_tokens(
        self,
        texts: Iterable[Text | str],
        *,
        model: Model | str,
        settings: Iterable[Setting] | None = None,
        layers: Sequence[int] | None = None,
        top_k: int = 1,
        log_probabilities: bool = True,
        compute_dtype: FloatType = "float32",
        progress: ShowProgress | None = None,
        timeout: float | None = None,
        **inputs: Unpack[InputOptions],
    ) -> Predictions:
        """What the masked-language-model head says at every position of texts, in the order of the texts.

        Nothing is masked: with a shift among the interventions this is the unsupervised token translation of Liu et al.
        2020, section 4.2.

        Args:
            texts: A plain string gets its position as id. They and their predictions are held in memory.
            model: The weights; must have a masked-language-model head.
            settings: Sets of interventions, each of which is predicted under; the plain model where None. The layers
                below the first intervention that tells two settings apart are computed once for both.
            layers: Layers to whose hidden states the head is applied (the logit lens); the last where None.
            top_k: Candidates a position.
            log_probabilities: Whether log-probabilities are wanted; without them, the likeliest token alone (`top_k` 1)
                takes the server less time.
            compute_dtype: Arithmetic of the model.
            progress: Function that is called as predictions come.
            timeout: Seconds for the whole call.
            inputs: `overflow`, `max_tokens` and `language`: see `babelscope.calls.options.InputOptions`.

        Raises:
            Refused: The model has no masked-language-model head; the message says why.
            InvalidRequest: `.field` names what is wrong.
            RpcError: The server answered with another error, or could not be reached for too long.
        """
        check_options(inputs, InputOptions, "predict_tokens")
        encode = encode_spec(model, layers=layers, compute_dtype=compute_dtype, **inputs)
        spec = prediction_spec(encode, top_k, settings, log_probabilities=log_probabilities)
        call = PredictCall(spec, texts)
        async for told in self._caller.stream(call, timeout):
            if progress is not None:
                progress(told)
        return call.answer

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

    async def mean_activations(
        self,
        texts: Iterable[Text | str],
        *,
        model: Model | str,
        progress: ShowProgress | None = None,
        timeout: float | None = None,
        **options: Unpack[EncodeOptions],
    ) -> LayerMeans:
        """Means over all tokens of a corpus, special tokens left out, at every layer in one pass; the store keeps them.

        Two of them make the shift from one language to another: `babelscope.shift`.

        Args:
            texts: Read lazily; a list can be sent again where the server is gone.
            model: The weights.
            progress: Called as the work goes on.
            timeout: Seconds for the whole call.
            options: Options, the same as those of `encode`; the pooling can only be `mean`.

        Raises:
            InvalidRequest: `.field` names what is wrong.
            RpcError: The server answered with another error, or could not be reached for too long.
        """
        work = MeansWork(encode_spec(model, **options), texts)
        return await self._fold(work, progress, timeout)

    async def encode_words(
        self,
        texts: Iterable[Text | str] = (),
        *,
        model: Model | str,
        words: Sequence[str] = (),
        ignore_case: bool = False,
        min_count: int = 0,
        embedding_table: bool = False,
        progress: ShowProgress | None = None,
        timeout: float | None = None,
        **options: Unpack[EncodeOptions],
    ) -> WordMeans:
        """The mean of every word of a corpus over all its contexts, at every layer in one pass.

        Args:
            texts: Read lazily; a list can be sent again where the server is gone. Texts with `words` have exactly
                these; in others words are found.
            model: The weights.
            words: Words wanted, the longest at each place; all words of the texts where empty, and in scripts written
                without spaces all characters.
            ignore_case: Whether words that differ in case alone are one.
            min_count: Fewest occurrences of a word that is answered.
            embedding_table: Answer the words wanted by their rows of the model's word embedding table, as layer 0.
                There are no texts then. Words of several pieces are left out, and counted by `.left_out_words`.
            progress: Called as the work goes on.
            timeout: Seconds for the whole call.
            options: Options, as of `encode`; the pooling is `word_mean` (the default) or `word_first`, and the language
                also decides the case of the Turkish i.

        Raises:
            InvalidRequest: `.field` names what is wrong.
            LimitExceeded: There are more words than the server has room for.
            RpcError: The server answered with another error, or could not be reached for too long.
        """
        options.setdefault("pooling", "word_mean")
        spec = encoder_pb2.EncodeWordsSpec(
            encode=encode_spec(model, **options),
            ignore_case=ignore_case,
            min_count=min_count,
            embedding_table=embedding_table,
            language=options.get("language", ""),
        )
        return await self._fold(WordsWork(spec, texts, words), progress, timeout)

    async def _fold(self, work: CorpusWork[Answer], progress: ShowProgress | None, timeout: float | None) -> Answer:
        """The answers of a call, folded into one."""
        call = FoldedCall(work, progress, repeatable=work.repeatable)
        async for _ in self._caller.stream(call, timeout):
            pass
        return call.answer

    def _load_timeout(self, timeout: float | None) -> float:
        """The deadline of a call that may load a model."""
        return self._caller.config.load_timeout if timeout is None else timeout
