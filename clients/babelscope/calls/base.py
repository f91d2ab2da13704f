"""What the synchronous and the asynchronous client share: everything but the waiting.

Requests are built here, answers read, errors translated and tries counted; the twins only call, and sleep when told.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import grpc

from babelscope.calls.encode import overflow_value
from babelscope.data.models import Model, ModelInfo
from babelscope.data.texts import Text, as_texts
from babelscope.errors import RpcError
from babelscope.transport.channel import ClientConfig
from babelscope.transport.retry import Contact, Retry
from babelscope.transport.status import from_rpc
from babelscope.v1 import encoder_pb2


class ClientBase:
    """A client of one service, without its calls.

    Args:
        config: Where the server is, and how to speak to it; an address alone will do.
    """

    service = ""
    """Name of the service in its package: `EncoderService`."""

    def __init__(self, config: ClientConfig | str) -> None:
        self._config = ClientConfig(config) if isinstance(config, str) else config
        self._contact = Contact()

    @property
    def address(self) -> str:
        """Where the server is."""
        return self._config.address

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.address!r})"

    def _retry(self, timeout: float | None) -> Retry:
        """The tries of a new call."""
        return Retry(self._config.retry, timeout, self._contact)

    def _stream_timeout(self, timeout: float | None) -> float | None:
        """The deadline of a stream."""
        return self._config.stream_timeout if timeout is None else timeout

    def _translate(self, error: grpc.RpcError, method: str, request_id: str) -> RpcError:
        """The error of a call as one of this library."""
        status: Any = error
        return from_rpc(status, method=f"{self.service}.{method}", address=self.address, request_id=request_id)


class EncoderBase(ClientBase):
    """A client of the encoder, without its calls."""

    service = "EncoderService"

    @staticmethod
    def _list_request(page_token: str) -> encoder_pb2.ListModelsRequest:
        """Asks for a page of models."""
        return encoder_pb2.ListModelsRequest(page_size=1000, page_token=page_token)

    @staticmethod
    def _models(page: encoder_pb2.ListModelsResponse) -> list[ModelInfo]:
        """The models of a page."""
        return [ModelInfo.from_proto(model) for model in page.models]

    @staticmethod
    def _get_request(model: Model | str) -> encoder_pb2.GetModelRequest:
        """Asks for one model."""
        return encoder_pb2.GetModelRequest(model=Model.of(model).to_proto())

    @staticmethod
    def _tokenize_request(texts: Iterable[Text | str], model: Model | str, overflow: str) -> Any:
        """Asks for the pieces of texts."""
        return encoder_pb2.TokenizeRequest(
            model=Model.of(model).to_proto(),
            texts=[text.to_proto() for text in as_texts(texts)],
            overflow=overflow_value(overflow),
        )

    @staticmethod
    def _tokens(answer: encoder_pb2.TokenizeResponse) -> list["Tokens"]:
        """The pieces of texts."""
        return [Tokens.from_proto(text) for text in answer.texts]


@dataclass(frozen=True, slots=True)
class Tokens:
    """One text as a model sees it, special tokens included.

    Args:
        id: Id of the text.
        token_ids: Indices into the vocabulary.
        tokens: The pieces.
        starts: First code point of each piece.
        ends: One past the last code point of each piece; equal to the start for special tokens.
        special: True for special tokens.
        truncated: Whether the text was cut.
    """

    id: str
    token_ids: tuple[int, ...]
    tokens: tuple[str, ...]
    starts: tuple[int, ...]
    ends: tuple[int, ...]
    special: tuple[bool, ...]
    truncated: bool

    @classmethod
    def from_proto(cls, text: encoder_pb2.TokenizedText) -> "Tokens":
        """Reads a message of the contract."""
        return cls(
            id=text.id,
            token_ids=tuple(text.token_ids),
            tokens=tuple(text.tokens),
            starts=tuple(text.starts),
            ends=tuple(text.ends),
            special=tuple(text.special),
            truncated=text.truncated,
        )


def count(texts: object) -> int | None:
    """Number of texts where it is known without reading them."""
    return len(texts) if isinstance(texts, Sequence) else None
