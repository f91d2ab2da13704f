"""Texts to tokens, with the model's own fast tokenizer."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from services.models.crashes import crash_of
from services.models.spec import TokenizedText
from services.models.tokens.prefixes import OpenWords, safe_prefix, splits_at_spaces
from services.models.tokens.tokenizer_file import language_file, read_language, read_tokenizer
from services.runtime.errors import FailedPrecondition
from services.runtime.memory import held_here
from services.runtime.text.forms import in_form

log = logging.getLogger(__name__)

_CHARACTERS_A_TOKEN: Final = 8
"""Characters of a long text that are looked at first, for each token wanted: most texts have fewer a token."""
_LEAST_CHARACTERS: Final = 4096
"""Texts of up to twice so many characters are never looked at in part."""
_BYTES_A_BYTE: Final = 480
"""Bytes that the tokenizer takes for a byte of text while it works, where each is a token: a run of full stops."""


@dataclass(frozen=True)
class Frame:
    """Special tokens around one text, or around and between two, each as (token id, segment).

    Attributes:
        before: Before the first text.
        between: Between the two; empty where there is one.
        after: After the last text.
        segments: Segment of the tokens of each text.
    """

    before: tuple[tuple[int, int], ...]
    between: tuple[tuple[int, int], ...]
    after: tuple[tuple[int, int], ...]
    segments: tuple[int, ...]

    @property
    def tokens(self) -> int:
        """Number of special tokens."""
        return len(self.before) + len(self.between) + len(self.after)


@dataclass(frozen=True, slots=True)
class _Part:
    """The beginning of a text.

    Attributes:
        text: The part.
        whole: Whether it is all of the text.
        within_word: Whether it ends within a word.
    """

    text: str
    whole: bool = False
    within_word: bool = False


class Tokenizer:
    """A model's tokenizer. Safe to use from several threads at once: nothing in it changes after construction.

    Args:
        backend: A `tokenizers.Tokenizer`; its own truncation and padding are switched off.
        truncation_side: End of a long text that is cut, `right` or `left`.
        difference: Digest of what tells its tokens from those that transformers makes of the same folder.
        limit: Longest input in tokens that the folder's settings name; None where they name none.
        parts: Tokenizers of languages that have one of their own, by what the model takes for the language.

    Attributes:
        difference: The same; empty where there is no difference.
        limit: The same.
    """

    def __init__(
        self,
        backend: Any,
        truncation_side: str = "right",
        difference: str = "",
        limit: int | None = None,
        parts: Mapping[int, "Tokenizer"] | None = None,
    ) -> None:
        self._parts = dict(parts or {})
        self.difference = difference
        self.limit = limit
        backend.no_truncation()
        backend.no_padding()
        self._backend = backend
        self._cut_left = truncation_side == "left"
        self._cuts_early = not self._cut_left and splits_at_spaces(backend)
        self._open_words = OpenWords(backend) if self._cuts_early else None

    @classmethod
    def load(cls, folder: Path, subject: str, languages: Sequence[str] = ()) -> "Tokenizer":
        """The tokenizer of a model folder, as its tokenizer.json describes it.

        Args:
            folder: The model folder.
            subject: What to call it in errors.
            languages: Languages of which the model has parts of their own, which may have a tokenizer each.

        Raises:
            FailedPrecondition: There is no fast tokenizer, or it needs code of its own, or does not load; or some
                languages have one of their own and others not.
        """
        found = read_tokenizer(folder, subject)
        side = found.truncation_side
        parts = {
            code: cls(read_language(folder, language, subject), side)
            for code, language in enumerate(languages)
            if (folder / language_file(language)).is_file()
        }
        if parts and len(parts) != len(languages):
            lacking = next(language for code, language in enumerate(languages) if code not in parts)
            raise FailedPrecondition(subject, f"Expected {language_file(lacking)} beside those of other languages")
        tokenizer = cls(found.backend, side, found.difference, found.limit, parts)
        for each in (tokenizer, *parts.values()):
            each.check(subject)
        for note in found.notes:
            log.warning("tokenizer", extra={"subject": subject, "note": note})
        return tokenizer

    def of(self, language: int | None) -> "Tokenizer":
        """The tokenizer of a language, by what the model takes for it; itself where the language has no own one."""
        return self if language is None else self._parts.get(language, self)

    def check(self, subject: str) -> None:
        """Make sure that texts are laid out as the packed encoder expects: one segment, special tokens at the ends.

        Raises:
            FailedPrecondition: They are not.
        """
        try:
            probe = self._backend.encode("a b", add_special_tokens=True)
        except BaseException as error:
            raise FailedPrecondition(subject, f"its tokenizer fails on the text 'a b': {crash_of(error)}") from error
        if any(probe.type_ids):
            raise FailedPrecondition(subject, "its tokenizer puts single texts into a segment other than 0")
        inner = np.flatnonzero(np.asarray(probe.special_tokens_mask) == 0)
        if inner.size and inner[-1] - inner[0] + 1 != inner.size:
            raise FailedPrecondition(subject, "its tokenizer puts special tokens between those of a text")

    def tokenize(self, texts: Sequence[str], max_tokens: int) -> list[TokenizedText]:
        """Cut texts into tokens.

        Of a text far beyond the limit only as much is looked at as gives the tokens that are kept, where the tokenizer
        works word by word; within a word too, where what follows cannot change them. What the tokenizer takes meanwhile
        is held by the request that the thread works for (`memory.accounted`).

        Args:
            texts: The texts.
            max_tokens: Longer ones are cut, special tokens kept.

        Raises:
            LimitExceeded: The server has not so much memory left.
        """
        parts = [self._beginning(text, _CHARACTERS_A_TOKEN * max_tokens) for text in texts]
        found = self._cut(parts, max_tokens)
        return [
            tokens if tokens is not None else self._longer(text, len(part.text), max_tokens)
            for tokens, part, text in zip(found, parts, texts, strict=True)
        ]

    def _longer(self, text: str, tried: int, max_tokens: int) -> TokenizedText:
        """A text of which the first `tried` characters have too few tokens: four times as many each time."""
        while True:
            part = self._beginning(text, tried := 4 * tried)
            [tokens] = self._cut([part], max_tokens)
            if tokens is not None:
                return tokens

    def _beginning(self, text: str, least: int) -> _Part:
        """The text, or its first `least` characters and some more, where those have the same first tokens."""
        least = max(least, _LEAST_CHARACTERS)
        if self._open_words is None or not self._cuts_early or len(text) <= 2 * least:
            return _Part(text, whole=True)
        place = safe_prefix(text, least)
        if place is not None:
            return _Part(text[:place])
        place = self._open_words.place(text, least)
        return _Part(text, whole=True) if place is None else _Part(text[:place], within_word=True)

    def _cut(self, parts: Sequence[_Part], max_tokens: int) -> list[TokenizedText | None]:
        """The tokens that are kept of each text; None where its part does not tell them."""
        with held_here(_BYTES_A_BYTE * sum(_bytes(part.text) for part in parts)):
            encodings = self._encode([part.text for part in parts])
            return [self._certain(encoding, part, max_tokens) for encoding, part in zip(encodings, parts, strict=True)]

    def _certain(self, encoding: Any, part: _Part, max_tokens: int) -> TokenizedText | None:
        """The tokens that are kept of a text, from a part of it; None where those of the whole might be others.

        What is kept must not reach the end of the part: its last token may have more of a space than in the whole.
        """
        if part.within_word and self._open_words is not None:
            settled = self._open_words.settled(part.text, encoding) + sum(encoding.special_tokens_mask)
            return self._tokenized(encoding, max_tokens, whole=False, full=settled) if settled > max_tokens else None
        tokens = self._tokenized(encoding, max_tokens, whole=part.whole)
        return tokens if tokens.whole or tokens.truncated else None

    def _encode(self, texts: Sequence[str]) -> Sequence[Any]:
        found: Sequence[Any] = self._backend.encode_batch(list(texts), add_special_tokens=True)
        return found

    def _tokenized(self, encoding: Any, max_tokens: int, *, whole: bool, full: int | None = None) -> TokenizedText:
        """One text, cut where need be; `full` is the number of its tokens that stand fast, all where None."""
        ids = np.array(encoding.ids, dtype=np.int64)
        special = np.array(encoding.special_tokens_mask, dtype=bool)
        offsets = np.array(encoding.offsets, dtype=np.int32).reshape(-1, 2)
        full = ids.shape[0] if full is None else full
        if full > max_tokens:
            kept = self._kept(special, max_tokens)
            ids, special, offsets = ids[kept], special[kept], offsets[kept]
        return TokenizedText(
            ids=ids,
            special=special,
            starts=np.ascontiguousarray(offsets[:, 0]),
            ends=np.ascontiguousarray(offsets[:, 1]),
            truncated=full > max_tokens,
            full_length=full,
            whole=whole,
        )

    def _kept(self, special: NDArray[np.bool_], max_tokens: int) -> NDArray[np.int64]:
        """Places of the tokens that stay: all special ones, and as many others as there is room for."""
        content = np.flatnonzero(~special)
        room = max(max_tokens - int(special.sum()), 0)
        chosen = content[content.size - room :] if self._cut_left else content[:room]
        return np.sort(np.concatenate([np.flatnonzero(special), chosen]))

    def pieces(self, ids: Sequence[int]) -> list[str]:
        """The vocabulary's entries for token ids; empty for ids that it does not have."""
        return [self._backend.id_to_token(int(token)) or "" for token in ids]

    def frame(self, texts: int) -> Frame:
        """The special tokens that the tokenizer puts around one text, or around a pair.

        Args:
            texts: 1 or 2.
        """
        probe = self._backend.encode(*("a", "a")[:texts], add_special_tokens=True)
        tokens = list(zip(probe.ids, probe.type_ids, strict=True))
        inner = np.flatnonzero(np.asarray(probe.special_tokens_mask) == 0)
        first, last = int(inner[0]), int(inner[-1])
        gap = next((place for place in range(first, last) if probe.special_tokens_mask[place]), last)
        resumed = next((place for place in range(gap, last) if not probe.special_tokens_mask[place]), last)
        return Frame(
            before=tuple(tokens[:first]),
            between=tuple(tokens[gap:resumed]),
            after=tuple(tokens[last + 1 :]),
            segments=(probe.type_ids[first], probe.type_ids[last])[:texts],
        )

    @property
    def backend(self) -> Any:
        """The `tokenizers.Tokenizer`; not to be changed."""
        return self._backend

    @property
    def special_count(self) -> int:
        """Special tokens that are put around a text."""
        return int(self._backend.num_special_tokens_to_add(False))


def _bytes(text: str) -> int:
    """Bytes of a text as a tokenizer sees it: some characters are written out as many, such as U+FDFA as eighteen."""
    if text.isascii():
        return len(text)
    return max(len(text.encode(errors="replace")), len(in_form("NFKC", text).encode(errors="replace")))
