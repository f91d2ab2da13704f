"""Pairs of texts within the length limit."""

import numpy as np

from services.models.spec import TokenizedText
from services.models.tokens.tokenization import Frame
from services.trainer.data.pieces import Ints, framed, part


def pair_within(
    first: TokenizedText, second: TokenizedText, frame: Frame, max_tokens: int
) -> tuple[TokenizedText, Ints | None]:
    """Two texts in one input; the longer one loses its last tokens until both fit.

    Args:
        first: A bare text.
        second: A bare text.
        frame: Special tokens for two texts.
        max_tokens: Longest input, special tokens included.

    Returns:
        The tokens and their segments.
    """
    keep_first, keep_second = shares(len(first), len(second), max_tokens - frame.tokens)
    text, segments, _ = framed(frame, [part(first, 0, keep_first), part(second, 0, keep_second)])
    return text, segments


def shares(first: int, second: int, room: int) -> tuple[int, int]:
    """How many tokens of each stay when the longer one is shortened first (transformers' `longest_first`).

    Where neither can stay whole, both keep half of the room, and the longer one the odd token.
    """
    if first + second <= room:
        return first, second
    half = room // 2
    if second <= half:
        return room - second, second
    if first <= half:
        return first, room - first
    return (room - half, half) if first > second else (half, room - half)


def windows(tokens: int, room: int, overlap: int) -> list[tuple[int, int]]:
    """Windows over a long text: (first token, one past the last), together covering all.

    Args:
        tokens: Tokens of the text.
        room: Tokens of a window.
        overlap: Tokens that a window shares with the next; at most half a window.
    """
    step = max(1, room - min(overlap, room // 2))
    starts = [0, *(int(start) for start in np.arange(step, max(tokens - room + step, 1), step))]
    return [(start, min(start + room, tokens)) for start in starts]
