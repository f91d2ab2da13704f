"""Sentences in words to pieces: each word stands at its first sub-word.

Words are joined by spaces and cut by the model's tokenizer; a word's tokens are those that overlap its characters. So a
byte-level tokenizer sees the spaces that it was trained with, and a word within which the tokenizer drops everything is
found to have no token. A long sentence is split between words, or its end is left out where a task needs all of it at
once.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from services.models.spec import TokenizedText
from services.models.tokens.tokenization import Tokenizer
from services.trainer.data.pieces import Ints, bare, framed, part

NO_LIMIT = 1 << 30


@dataclass(frozen=True, eq=False)
class Window:
    """Consecutive words of a sentence that fit the model.

    Attributes:
        text: Tokens.
        rows: [w] row of each word's first sub-word.
        words: [w] places of the words in the sentence, ascending.
    """

    text: TokenizedText
    rows: Ints
    words: Ints


@dataclass(frozen=True, eq=False)
class CutSentence:
    """A sentence as windows.

    Attributes:
        windows: In order; more than one only where the sentence is split.
        over_long: Whether it has more tokens than the limit.
        lost: Words in no window: those without tokens, and those left out.
    """

    windows: tuple[Window, ...]
    over_long: bool
    lost: int


def cut_sentences(
    sentences: Sequence[Sequence[str]], tokenizer: Tokenizer, max_tokens: int, *, split: bool
) -> Iterator[CutSentence]:
    """Cut sentences in words.

    Args:
        sentences: Forms of the words of each.
        tokenizer: The model's.
        max_tokens: Longest input, special tokens included.
        split: Whether a long sentence becomes several windows; otherwise its end is left out.
    """
    frame = tokenizer.frame(1)
    room = max_tokens - frame.tokens
    texts = tokenizer.tokenize([" ".join(forms) for forms in sentences], NO_LIMIT)
    for forms, text in zip(sentences, texts, strict=True):
        content = bare(text)
        words, firsts = _first_tokens(forms, content)
        windows = []
        start = 0
        while start < len(words):
            stop = _fitting(firsts, start, len(content), room)
            last = int(firsts[stop]) if stop < len(words) else len(content)
            first = int(firsts[start])
            inside, _, [begin] = framed(frame, [part(content, first, min(last, first + room))])
            windows.append(Window(inside, firsts[start:stop] - first + begin, words[start:stop]))
            start = stop
            if not split:
                break
        kept = sum(len(window.words) for window in windows)
        yield CutSentence(tuple(windows), len(content) > room, len(forms) - kept)


def _first_tokens(forms: Sequence[str], content: TokenizedText) -> tuple[Ints, Ints]:
    """Words that have tokens, and the first token of each: two arrays of equal length, both ascending."""
    if not len(content) or not forms:
        return np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64)
    sizes = np.array([len(form) for form in forms], dtype=np.int64)
    begins = np.cumsum(sizes + 1) - sizes - 1
    firsts = np.searchsorted(content.ends, begins, side="right")
    inside = firsts < len(content)
    nearest = np.minimum(firsts, len(content) - 1)
    there = inside & (content.starts[nearest] < begins + sizes) & (sizes > 0)
    words = np.flatnonzero(there)
    return words, firsts[words].astype(np.int64)


def _fitting(firsts: Ints, start: int, tokens: int, room: int) -> int:
    """One past the last word of a window of at most `room` tokens, but of one word at least."""
    ends = np.append(firsts[start + 1 :], tokens)
    return start + max(1, int(np.searchsorted(ends, firsts[start] + room, side="right")))
