"""New words in a tokenizer, and the vectors that they get."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from services.runtime.errors import FailedPrecondition, InvalidArgument
from services.runtime.work import importing

_LONGEST: Final = 100
"""Characters of a word; a longer one is no word."""

_UNSPACED: Final = re.compile(
    "[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]"
)
"""Thai, Lao, Burmese, Khmer, kana and Han."""

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class NewWords:
    """Words that a tokenizer takes in.

    Attributes:
        words: The words, each once, also after the tokenizer's normalisation.
        rows: Their places among the words that were given.
        known: Number of words that the tokenizer has in one piece already; they keep the model's embeddings.
        refused: Number of words that no tokenizer can have: empty ones, over-long ones, those with white space.
    """

    words: tuple[str, ...]
    rows: tuple[int, ...]
    known: int
    refused: int


def choose(backend: Any, words: Sequence[str], unknown: int | None) -> NewWords:
    """The words that are new to a tokenizer.

    Args:
        backend: A `tokenizers.Tokenizer`.
        words: The words.
        unknown: Id of the unknown token; None where there is none.
    """
    normaliser = backend.normalizer if _matches_normalised(backend) else None
    known_forms = _in_one_piece(backend, words, unknown)
    chosen: dict[str, tuple[str, int]] = {}
    known = refused = 0
    for place, (word, whole) in enumerate(zip(words, known_forms, strict=True)):
        form = normaliser.normalize_str(word) if normaliser is not None and not _unspaced(word) else word
        if not form.strip() or len(word) > _LONGEST or any(character.isspace() for character in form):
            refused += 1
        elif whole or backend.token_to_id(word) is not None:
            known += 1
        else:
            chosen.setdefault(form, (word, place))
    found = tuple(chosen.values())
    return NewWords(tuple(word for word, _ in found), tuple(place for _, place in found), known, refused)


def add(backend: Any, words: Sequence[str]) -> list[int]:
    """Take words into a tokenizer, as whole words only; their ids."""
    with importing:
        from tokenizers import AddedToken

    normalised = _matches_normalised(backend)
    # Words of scripts without spaces are found anywhere, and as they are written: WordPiece takes them apart. Where
    # a space is a part of the piece behind it, a word takes its space as well, which would be a piece by itself.
    added = [
        AddedToken(
            word,
            single_word=not _unspaced(word),
            lstrip=not normalised,
            normalized=normalised and not _unspaced(word),
        )
        for word in words
    ]
    backend.add_tokens(added)
    return [int(backend.token_to_id(word)) for word in words]


def _unspaced(word: str) -> bool:
    """Whether a word has a character of a script that is written without spaces between words."""
    return _UNSPACED.search(word) is not None


def _matches_normalised(backend: Any) -> bool:
    """Whether words are looked for in the normalised text; other models than WordPiece mark spaces in theirs."""
    return type(backend.model).__name__ == "WordPiece"


def _in_one_piece(backend: Any, words: Sequence[str], unknown: int | None) -> list[bool]:
    """Whether the tokenizer has each word in one piece, at the start of a text or behind a space."""
    texts = [*words, *(f" {word}" for word in words)]
    single = [
        len(each.ids) == 1 and each.ids[0] != unknown for each in backend.encode_batch(texts, add_special_tokens=False)
    ]
    return [first or later for first, later in zip(single[: len(words)], single[len(words) :], strict=True)]


def fit_anchors(
    backend: Any, words: Sequence[str], vectors: Floats, embeddings: Floats, unknown: int | None
) -> tuple[Floats, str]:
    """The linear map from vectors to embeddings of the same words, by least squares.

    Args:
        backend: A `tokenizers.Tokenizer`.
        words: n words of the model's own language.
        vectors: [n, w].
        embeddings: [V, d], the model's.
        unknown: Id of the unknown token.

    Returns:
        The map, [w, d], and in words how well it fits.

    Raises:
        FailedPrecondition: Fewer than w words are single pieces of the tokenizer.
    """
    encoded = backend.encode_batch(list(words), add_special_tokens=False)
    pairs = [
        (place, each.ids[0])
        for place, each in enumerate(encoded)
        if len(each.ids) == 1 and each.ids[0] not in {unknown} and each.ids[0] < len(embeddings)
    ]
    width = vectors.shape[1]
    if len(pairs) < width:
        raise FailedPrecondition(
            "anchors",
            f"Expected at least {width} words that are single pieces of the model's tokenizer, as the vectors have "
            f"{width} numbers, but got {len(pairs)}",
        )
    rows, ids = (list(each) for each in zip(*pairs, strict=True))
    x, y = vectors[rows], embeddings[ids]
    matrix: Floats = np.linalg.lstsq(x, y, rcond=None)[0].astype(np.float64)
    explained = 1.0 - float(((x @ matrix - y) ** 2).sum() / ((y - y.mean(axis=0)) ** 2).sum())
    return matrix, f"{len(pairs)} words, R2 {explained:.4f}"


def mapped(vectors: Floats, matrix: Floats | None, bias: Floats | None, width: int) -> Floats:
    """Vectors at the width of the embeddings.

    Args:
        vectors: [n, w].
        matrix: [w, d]; None where w is d.
        bias: [d]; None for none.
        width: d.

    Raises:
        InvalidArgument: The widths do not fit.
    """
    if matrix is None:
        if vectors.shape[1] != width:
            raise InvalidArgument(
                "vectors",
                f"Expected vectors of {width} numbers, as the model's embeddings have, or a map or anchors to take "
                f"them there, but got {vectors.shape[1]} numbers",
            )
        return vectors
    if matrix.shape != (vectors.shape[1], width):
        raise InvalidArgument(
            "map", f"Expected a map of shape {[vectors.shape[1], width]}, but got {list(matrix.shape)}"
        )
    found: Floats = vectors @ matrix
    return found if bias is None else found + bias
