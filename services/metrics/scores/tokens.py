"""Running text in tokens, for scores that count them."""

from collections.abc import Mapping
from typing import Final

from services.metrics.scores.base import choice

CHARACTER_LANGUAGES: Final = frozenset({"zh", "yue", "ja", "th", "lo", "km", "my"})
"""Languages written without spaces between words."""

OPTION: Final = (
    "`words` (split at white space) or `characters` (without white space); by language where not given. Text of "
    "word-pieces joined by spaces is scored by its pieces under `words`."
)
"""What the option `tokens` does."""


def unit(language: str, options: Mapping[str, str]) -> str:
    """`words` or `characters`, by the option `tokens` or else by the language.

    Raises:
        InvalidArgument: The option is neither.
    """
    default = "characters" if language.partition("-")[0].lower() in CHARACTER_LANGUAGES else "words"
    return choice(options, "tokens", ("words", "characters"), default)


def split(text: str, tokens: str) -> list[str]:
    """The tokens of a text."""
    return text.split() if tokens == "words" else [character for character in text if not character.isspace()]
