"""Spaces between the tokens of a sentence: where its raw text has them, and the text that words make."""

from collections.abc import Sequence
from dataclasses import replace

from babelscope.data.examples import Word


def text_of(words: Sequence[Word]) -> str:
    """The text that words make: each with a space after it, but where it has none, and but for the last."""
    return "".join(word.form + " " * word.space_after for word in words[:-1]) + "".join(w.form for w in words[-1:])


def spaced(words: Sequence[Word], text: str) -> tuple[Word, ...]:
    """The words with `space_after` as the raw text has it; as they are where the text does not spell them."""
    spaces = spaces_after([word.form for word in words], text)
    if spaces is None:
        return tuple(words)
    return tuple(replace(word, space_after=space) for word, space in zip(words, spaces, strict=True))


def spaces_after(tokens: Sequence[str], text: str) -> list[bool] | None:
    """Whether white space follows each token in the raw text.

    Args:
        tokens: The surface tokens in order, none empty.
        text: The raw text.

    Returns:
        One value a token, true for the last unless text follows; None where the text does not spell the tokens.
    """
    found: list[bool] = []
    at = 0
    for token in tokens:
        while at < len(text) and text[at].isspace() and not text.startswith(token, at):
            at += 1
        if not token or not text.startswith(token, at):
            return None
        at += len(token)
        found.append(at == len(text) or text[at].isspace())
    return None if text[at:].strip() else found
