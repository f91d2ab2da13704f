"""Running text in tokens, for scores that count them."""

from dataclasses import dataclass
from typing import Literal

from babelscope.data.languages import read_tag

from services.runtime.options import option


@dataclass(frozen=True)
class TokenOptions:
    """Options of scores that count tokens."""

    tokens: Literal["words", "characters"] | None = option(
        "`words` (split at white space) or `characters` (without white space); by language where not given. Text of "
        "word-pieces joined by spaces is scored by its pieces under `words`.",
        default=None,
    )

    def unit(self, language: str) -> str:
        """`words` or `characters`, by the option or else by the language."""
        return self.tokens or ("characters" if read_tag(language).unspaced else "words")


def split(text: str, tokens: str) -> list[str]:
    """The tokens of a text."""
    return text.split() if tokens == "words" else [character for character in text if not character.isspace()]
