"""Requests for the pieces of texts, and the pieces that answer them."""

from collections.abc import Iterable
from dataclasses import dataclass

from babelscope.calls.encode import overflow_value
from babelscope.data.models import Model
from babelscope.data.texts import Text, as_texts
from babelscope.v1 import encoder_pb2


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


def tokenize_request(
    texts: Iterable[Text | str], model: Model | str, overflow: str, language: str = ""
) -> encoder_pb2.TokenizeRequest:
    """Asks for the pieces of texts.

    Raises:
        ValueError: There is no such way with texts of too many tokens.
    """
    return encoder_pb2.TokenizeRequest(
        model=Model.of(model).to_proto(),
        texts=[text.to_proto() for text in as_texts(texts)],
        overflow=overflow_value(overflow),
        language=language,
    )
