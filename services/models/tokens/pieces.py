"""Words that are one piece of a tokenizer, as running text has them."""

import json
from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from services.runtime.text.words import is_unspaced

SEVERAL: Final = -1
"""In the place of a piece: the word has several pieces, or none that the vocabulary knows."""


def single_pieces(backend: Any, words: Sequence[str]) -> NDArray[np.int64]:
    """The piece of each word that has only one.

    A word is cut behind a space, as within a text: vocabularies that tell the beginning of a word from its inside, by a
    space in front or a mark, have another piece, or none, for a word at the very start. Its pieces are those that
    overlap its characters, and the space itself where that is a piece of its own, but for scripts that have none there.

    Args:
        backend: A `tokenizers.Tokenizer`.
        words: n words.

    Returns:
        [n] token ids; `SEVERAL` for words of several pieces, for unknown ones and for special tokens.
    """
    never = _no_words(backend)
    found = np.full(len(words), SEVERAL, np.int64)
    encodings = backend.encode_batch([f" {word}" for word in words], add_special_tokens=False)
    for place, (encoding, word) in enumerate(zip(encodings, words, strict=True)):
        offsets = zip(encoding.ids, encoding.offsets, strict=True)
        inside = [token for token, (start, end) in offsets if start < end and start <= len(word) and end > 1]
        alone = len(encoding.ids) == 1 or any(map(is_unspaced, word))
        if len(inside) == 1 and alone and inside[0] not in never:
            found[place] = inside[0]
    return found


def _no_words(backend: Any) -> frozenset[int]:
    """Tokens that stand for no word: special ones, and the one for what is not known."""
    special = {token for token, added in backend.get_added_tokens_decoder().items() if added.special}
    unknown = _unknown(backend)
    return frozenset(special if unknown is None else special | {unknown})


def _unknown(backend: Any) -> int | None:
    """The token of what the vocabulary does not know; None where all is known."""
    name = getattr(backend.model, "unk_token", None)
    if name is not None:
        token: int | None = backend.token_to_id(name)
        return token
    # SentencePiece's models name it by its place, which only their description tells.
    if type(backend.model).__name__ != "Unigram":
        return None
    place: int | None = json.loads(backend.model.__getstate__()).get("unk_id")
    return place
