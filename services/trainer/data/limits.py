"""How long an input may be told to be."""

from services.models.tokens.tokenization import Tokenizer
from services.runtime.errors import InvalidArgument

_LEAST_CONTENT = 4
"""Tokens besides special ones that an input must have room for."""


def check_max_tokens(max_tokens: int, tokenizer: Tokenizer, longest: int, subject: str) -> None:
    """Refuse a limit above that of the model, or without room for a few words of two texts.

    Args:
        max_tokens: Longest input in tokens.
        tokenizer: The model's tokenizer.
        longest: Longest input that the model takes.
        subject: The model, for messages.

    Raises:
        InvalidArgument: Names the limits and the number.
    """
    least = tokenizer.frame(2).tokens + _LEAST_CONTENT
    if not least <= max_tokens <= longest:
        raise InvalidArgument(
            "max_tokens", f"Expected a number within {least}..{longest} for {subject}, but got {max_tokens}"
        )
