"""What a model's masked-language-model head says at every position of texts, and the call that asks for it."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from babelscope.calls.encode import MESSAGE_BYTES, MESSAGE_TEXTS
from babelscope.data.activations import Progress
from babelscope.data.models import Intervention, ModelInfo
from babelscope.data.tensors import to_numpy
from babelscope.data.texts import Text, as_texts
from babelscope.errors import DataCorrupted
from babelscope.v1 import encoder_pb2, text_pb2

Setting = Sequence[Intervention]
"""Interventions that apply together."""

_METHOD: Final = "EncoderService.PredictTokens"


def visible(piece: str, token_id: int) -> str:
    """A piece that is neither empty nor has white space in it, so that pieces can be joined by spaces and told apart.

    Args:
        piece: The piece.
        token_id: Id of the piece, which stands for it, as `<ID>`, where nothing is left of the piece.
    """
    return "".join(piece.split()) or f"<{token_id}>"


@dataclass(frozen=True, slots=True, eq=False)
class PredictedText:
    """Predictions for one text.

    Args:
        id: Id of the text.
        input_ids: [T] int32, the text's own tokens, special tokens included.
        special: [T] bool, True for special tokens.
        token_ids: [settings, layers, T, k] int32, the likeliest first.
        log_probabilities: [settings, layers, T, k] float32, natural logarithms; k is 0 where they were left out.
        truncated: Whether the text was cut.
    """

    id: str
    input_ids: NDArray[np.int32]
    special: NDArray[np.bool_]
    token_ids: NDArray[np.int32]
    log_probabilities: NDArray[np.float32]
    truncated: bool = False

    @classmethod
    def from_proto(cls, text: encoder_pb2.PredictedText) -> "PredictedText":
        """Reads a message of the contract.

        Raises:
            TensorError: Its arrays do not fit their descriptions.
        """
        return cls(
            id=text.id,
            input_ids=np.array(text.input_ids, dtype=np.int32),
            special=np.array(text.special, dtype=bool),
            token_ids=to_numpy(text.token_ids, field="token_ids"),
            log_probabilities=to_numpy(text.log_probabilities, field="log_probabilities"),
            truncated=text.truncated,
        )


@dataclass(frozen=True, slots=True, eq=False)
class Predictions:
    """Predictions for several texts.

    Args:
        model: The model that made them.
        layers: Layers to which the head was applied: axis 1 of the arrays.
        settings: Number of settings of interventions: axis 0 of the arrays.
        top_k: Candidates a position: the last axis of the arrays.
        texts: One a text, in the order of the texts.
        pieces: The piece of every token id in them; empty for ids that the tokenizer does not have.
    """

    model: ModelInfo
    layers: tuple[int, ...]
    settings: int
    top_k: int
    texts: tuple[PredictedText, ...]
    pieces: Mapping[int, str] = field(repr=False)

    def words(self, ids: Sequence[int] | NDArray[np.int32]) -> list[str]:
        """Token ids as pieces, none of them empty or with white space in it: an id without a piece is `<ID>`."""
        return [visible(self.pieces.get(int(one), ""), int(one)) for one in ids]

    def inputs(self, text: int) -> list[str]:
        """The pieces of a text itself, special tokens left out.

        Args:
            text: Place of the text.
        """
        found = self.texts[text]
        return self.words(found.input_ids[~found.special])

    def best(self, text: int, *, setting: int = 0, layer: int | None = None) -> list[str]:
        """The likeliest piece at each position of a text, special tokens left out.

        Args:
            text: Place of the text.
            setting: Place of the setting.
            layer: Layer to which the head is applied; the last of those asked for where None.

        Raises:
            ValueError: The layer was not asked for.
        """
        if layer is not None and layer not in self.layers:
            raise ValueError(f"Expected one of the layers {list(self.layers)}, but got {layer}")
        column = -1 if layer is None else self.layers.index(layer)
        found = self.texts[text]
        return self.words(found.token_ids[setting, column, ~found.special, 0])


def prediction_spec(
    encode: encoder_pb2.EncodeSpec,
    top_k: int = 1,
    settings: Iterable[Setting] | None = None,
    *,
    log_probabilities: bool = True,
) -> encoder_pb2.PredictTokensSpec:
    """What to predict.

    Args:
        encode: Model, layers, limits, and the interventions that all settings share.
        top_k: Candidates a position.
        settings: Sets of interventions; one without any where None.
        log_probabilities: Whether log-probabilities are wanted.

    Raises:
        ValueError: There are no settings, or not one candidate.
    """
    if top_k < 1:
        raise ValueError(f"Expected `top_k` of at least 1, but got {top_k}")
    listed = [()] if settings is None else [tuple(setting) for setting in settings]
    if not listed:
        raise ValueError("Expected at least one setting in `settings`, or None for the plain model, but got none")
    return encoder_pb2.PredictTokensSpec(
        encode=encode,
        top_k=top_k,
        without_log_probabilities=not log_probabilities,
        settings=[
            encoder_pb2.InterventionSetting(interventions=[each.to_proto() for each in setting]) for setting in listed
        ],
    )


class PredictCall:
    """One call. An attempt sends the texts that those before have not had answered.

    Args:
        spec: Specification of the call.
        texts: Texts, read at once, so that the call can be made again.
    """

    method = "PredictTokens"
    repeatable = True

    def __init__(self, spec: encoder_pb2.PredictTokensSpec, texts: Iterable[Text | str]) -> None:
        self._spec = spec
        self._texts = tuple(as_texts(texts))
        self._found: dict[int, PredictedText] = {}
        self._sent: list[int] = []
        self._pieces: dict[int, str] = {}
        self._started: encoder_pb2.PredictTokensStarted | None = None
        self._finished = False

    def begin(self) -> Iterator[encoder_pb2.PredictTokensRequest]:
        """The messages of a new attempt."""
        self._sent = [place for place in range(len(self._texts)) if place not in self._found]
        self._finished = False
        return self._requests(list(self._sent))

    def receive(self, response: encoder_pb2.PredictTokensResponse) -> Sequence[Progress]:
        """Takes an answer in; the progress where it has predictions.

        Raises:
            DataCorrupted: The answer contradicts itself, the request, or the attempt before.
            TensorError: An array does not fit its description.
        """
        match response.WhichOneof("message"):
            case "started":
                self._start(response.started)
            case "pieces":
                self._pieces.update(response.pieces.pieces)
            case "predicted":
                for text in response.predicted.texts:
                    self._take(text)
                return [Progress("predict", len(self._found), len(self._texts))]
            case "finished":
                self._finished = True
        return []

    def finish(self) -> None:
        """The answer has ended.

        Raises:
            DataCorrupted: It is not whole.
        """
        if not self._finished or len(self._found) < len(self._texts):
            missing = len(self._texts) - len(self._found)
            raise DataCorrupted(
                f"Expected predictions for {len(self._texts)} texts and then the totals, but the stream ended with "
                f"{missing} texts unanswered",
                method=_METHOD,
            )

    @property
    def answer(self) -> Predictions:
        """The predictions, once the answer has ended.

        Raises:
            RuntimeError: It has not begun.
        """
        started = self._started
        if started is None:
            raise RuntimeError("Expected the answer to be read before it is asked for")
        return Predictions(
            model=ModelInfo.from_proto(started.model),
            layers=tuple(started.layers),
            settings=started.settings,
            top_k=started.top_k,
            texts=tuple(self._found[place] for place in range(len(self._texts))),
            pieces=self._pieces,
        )

    def _requests(self, places: Sequence[int]) -> Iterator[encoder_pb2.PredictTokensRequest]:
        yield encoder_pb2.PredictTokensRequest(spec=self._spec)
        held: list[text_pb2.Text] = []
        size = 0
        for place in places:
            text = self._texts[place].to_proto()
            length = text.ByteSize()
            if held and (size + length > MESSAGE_BYTES or len(held) >= MESSAGE_TEXTS):
                yield encoder_pb2.PredictTokensRequest(texts=encoder_pb2.EncodeTexts(texts=held))
                held, size = [], 0
            held.append(text)
            size += length
        if held:
            yield encoder_pb2.PredictTokensRequest(texts=encoder_pb2.EncodeTexts(texts=held))

    def _start(self, started: encoder_pb2.PredictTokensStarted) -> None:
        """The call resolved; after a break it must resolve to the same, on whatever device."""
        before = self._started
        if before is not None and _resolved(before) != _resolved(started):
            raise DataCorrupted(
                f"Expected the encoder to go on with model {before.model.name} of digest {before.model.digest}, but "
                f"after the stream broke it answers with {started.model.name} of digest {started.model.digest}",
                method=_METHOD,
            )
        self._started = before or started

    def _take(self, text: encoder_pb2.PredictedText) -> None:
        started = self._started
        if started is None:
            raise DataCorrupted("Expected what the call resolved to before predictions", method=_METHOD)
        if not 0 <= text.index < len(self._sent):
            raise DataCorrupted(
                f"Expected an index within 0..{len(self._sent) - 1}, but got {text.index}", method=_METHOD
            )
        place = self._sent[text.index]
        if place in self._found:
            raise DataCorrupted(f"Expected one answer for text {text.id!r}, but got two", method=_METHOD)
        if text.id != self._texts[place].id:
            raise DataCorrupted(
                f"Expected id {self._texts[place].id!r} at index {text.index}, but got {text.id!r}", method=_METHOD
            )
        found = PredictedText.from_proto(text)
        shape = (started.settings, len(started.layers), len(found.input_ids), started.top_k)
        scores = (*shape[:-1], 0) if self._spec.without_log_probabilities else shape
        arrays = (found.token_ids.shape, found.log_probabilities.shape)
        if arrays != (shape, scores) or len(found.special) != shape[2]:
            raise DataCorrupted(
                f"Expected predictions of shape {shape} for text {text.id!r}, but got {found.token_ids.shape}",
                method=_METHOD,
            )
        if not np.isfinite(found.log_probabilities).all():
            raise DataCorrupted(f"Expected finite log-probabilities for text {text.id!r}", method=_METHOD)
        self._found[place] = found


def _resolved(started: encoder_pb2.PredictTokensStarted) -> object:
    """What must not change over a break."""
    model = replace(ModelInfo.from_proto(started.model), state="")
    return model, tuple(started.layers), started.settings, started.top_k, started.compute_dtype, started.max_tokens
