"""How much of a long text has to be cut into tokens, where only its first tokens are wanted.

The tokens of a text that is cut before a space begin as those of the whole text do, if every part of the tokenizer
works within words: the normaliser maps characters with no look at what stands across a space, the pre-tokenizer splits
at spaces, and the model sees one word at a time. `splits_at_spaces` says so of tokenizers all of whose parts are known
to; all others get their texts whole.

Where a text has no space it is cut within a word, and `OpenWords` tells how many of the first tokens are those of the
whole text whatever follows: those of the words before the last one; and of the last word, in models whose tokens before
a border depend on nothing after it, those that all places agree on at which the token across the cut may begin.
"""

import json
import unicodedata
from bisect import bisect_right
from collections.abc import Sequence
from functools import cached_property
from typing import Any, Final

from services.models.crashes import crash_of

_NORMALISERS: Final = frozenset(
    ["BertNormalizer", "Lowercase", "NFC", "NFD", "NFKC", "NFKD", "Nmt", "Precompiled", "Strip", "StripAccents"]
)
"""They map characters, or characters with the marks on them: nothing across a space."""
_MODELS: Final = frozenset(["BPE", "Unigram", "WordLevel", "WordPiece"])
_PATTERNS: Final = frozenset([" {2,}"])
"""Regular expressions whose matches begin at a space or after it: a space that they replace stays a space."""
_SEARCHED: Final = 4096
"""Characters in which a place to cut is looked for."""
_LONGEST_CONTRACTION: Final = 4
"""Characters of what a byte-level tokenizer splits off as one, `'re`, and one more."""
_JOINED: Final = frozenset("\u0e33\u0eb3\uff9e\uff9f")
"""Letters of Thai and Lao, and marks of half-width kana, that join the character before them."""
_JAMO: Final = (("\u1100", "\u11ff"), ("\ua960", "\ua97f"), ("\ud7b0", "\ud7ff"))
"""Letters of Korean syllables, which join one another."""


def splits_at_spaces(backend: Any) -> bool:
    """Whether a text cut before a space gives the first tokens of the whole text.

    Args:
        backend: A `tokenizers.Tokenizer`.
    """
    try:
        normaliser, splitter = _state(backend.normalizer), _state(backend.pre_tokenizer)
        kept = backend.normalizer is None or len(backend.normalizer.normalize_str("a b").split()) == 2
    except BaseException as error:
        crash_of(error)
        return False
    return (
        kept
        and (normaliser is None or _maps_within_words(normaliser))
        and (splitter is not None and _is_local(splitter) and _splits(splitter))
        and type(backend.model).__name__ in _MODELS
        and not getattr(backend.model, "dropout", None)
        and not any(character.isspace() for token in _added(backend) for character in token)
    )


def safe_prefix(text: str, least: int) -> int | None:
    """Where a text may be cut.

    Args:
        text: The text.
        least: Characters that must stay.

    Returns:
        The number of characters up to a single space that stands between a letter or digit and something else than a
        space; None where there is none nearby.
    """
    place = text.find(" ", least, least + _SEARCHED)
    while place > 0:
        before, after = text[place - 1], text[place + 1 : place + 2]
        if _ends_word(before) and after and not after.isspace():
            return place
        place = text.find(" ", place + 1, least + _SEARCHED)
    return None


class OpenWords:
    """How many tokens of a text that is cut within a word are those of the whole text.

    In Unigram the best tokens up to a border are the best of what stands before it, and in BPE the merges within what
    stands before a border are never those across it: in both, the tokens before a border are those that the part before
    it has alone. The token across the cut begins at one of the few places from which the rest of the part begins an
    entry of the vocabulary. What the tokens up to each of these places have in common stands fast.

    Args:
        backend: A `tokenizers.Tokenizer` of which `splits_at_spaces` is true.

    Attributes:
        reach: Letters, digits and their marks that have to stand on both sides of a cut, so that no token that is found
            before words are, such as `[SEP]`, lies across it; None where letters alone may make one, and no cut is
            safe.
    """

    def __init__(self, backend: Any) -> None:
        self._backend = backend
        model = backend.model
        self._settles = type(model).__name__ == "Unigram" or (
            type(model).__name__ == "BPE" and not model.continuing_subword_prefix and not model.end_of_word_suffix
        )
        added = _added(backend)
        normaliser = _state(backend.normalizer)
        of_letters = any(all(map(_is_of_words, token)) for token in added) or (
            normaliser is not None and _replaces_letters(normaliser)
        )
        self.reach = None if of_letters else max([_LONGEST_CONTRACTION, *map(len, added)])

    def place(self, text: str, least: int) -> int | None:
        """Where a text may be cut within a word.

        Args:
            text: The text.
            least: Characters that must stay.

        Returns:
            The number of characters up to a place between two letters or digits, amid others and their marks; None
            where there is none nearby.
        """
        if self.reach is None:
            return None
        start = max(least, self.reach)
        run = 0
        for at in range(start - self.reach, min(len(text), start + _SEARCHED)):
            run = run + 1 if _is_of_words(text[at]) else 0
            place = at + 1 - self.reach
            if run >= 2 * self.reach and _is_plain(text[place - 1]) and _is_plain(text[place]):
                return place
        return None

    def settled(self, part: str, encoding: Any) -> int:
        """How many tokens of a part that ends within a word, special ones around it left out, stand fast.

        Args:
            part: The part.
            encoding: Its tokens.
        """
        tokens = [
            (token, word)
            for token, word, special in zip(encoding.ids, encoding.word_ids, encoding.special_tokens_mask, strict=True)
            if not special
        ]
        last = tokens[-1][1] if tokens else None
        before = len([word for _, word in tokens if word != last])
        if not self._settles or last is None:
            return before
        normaliser, model = self._backend.normalizer, self._backend.model
        normal = part if normaliser is None else normaliser.normalize_str(part)
        word = self._backend.pre_tokenizer.pre_tokenize_str(normal)[-1][0]
        found = _ids_of(model, word)
        if found != [token for token, _ in tokens[before:]]:  # it begins otherwise beside a token such as <mask>
            return before
        common = len(found)
        for place in self._beginnings(word):
            other = _ids_of(model, word[:place])
            shorter = min(common, len(other))
            common = next((at for at in range(shorter) if found[at] != other[at]), shorter)
        return before + max(common - 1, 0)  # the last one may be an unknown token that goes on

    def _beginnings(self, word: str) -> list[int]:
        """Places of a word from which its rest begins an entry of the vocabulary that is longer than the rest."""
        entries, longest = self._entries
        found = []
        for place in range(max(len(word) - longest + 1, 0), len(word)):
            rest = word[place:]
            following = bisect_right(entries, rest)
            if following < len(entries) and entries[following].startswith(rest):
                found.append(place)
        return found

    @cached_property
    def _entries(self) -> tuple[Sequence[str], int]:
        """The vocabulary in order, and the length of its longest entry."""
        entries = sorted(self._backend.get_vocab(with_added_tokens=False))
        return entries, max(map(len, entries), default=0)


def _ids_of(model: Any, word: str) -> list[int]:
    return [token.id for token in model.tokenize(word)] if word else []


def _is_plain(character: str) -> bool:
    """Whether a character is a letter or digit in every normal form, and joins neither of its neighbours."""
    return (
        _ends_word(character)
        and _is_of_words(character)
        and character not in _JOINED
        and not any(low <= character <= high for low, high in _JAMO)
    )


def _is_of_words(character: str) -> bool:
    """Whether a character consists of letters, digits and their marks in every normal form."""
    if character.isascii():
        return character.isalnum()
    return all(
        part.isalnum() or unicodedata.category(part)[0] == "M" for part in unicodedata.normalize("NFKD", character)
    )


def _replaces_letters(part: Any) -> bool:
    """Whether a normaliser replaces texts with letters or digits in them."""
    if part["type"] == "Sequence":
        return any(map(_replaces_letters, part["normalizers"]))
    return part["type"] == "Replace" and any(map(_is_of_words, str(part["pattern"].get("String", ""))))


def _ends_word(character: str) -> bool:
    """Whether a character stays a letter or digit in every normal form, and no space after it joins it."""
    # Malayalam's dot reph and its like beyond the basic plane are written with what follows them.
    return (
        character.isalnum()
        and character < "\U00010000"
        and character != "\u0d4e"
        and unicodedata.normalize("NFKD", character)[0].isalnum()
    )


def _state(part: Any) -> Any:
    """A part of a tokenizer as its file describes it; None where there is none."""
    return None if part is None else json.loads(part.__getstate__())


def _maps_within_words(part: Any) -> bool:
    kind = part["type"]
    if kind == "Sequence":
        return all(map(_maps_within_words, part["normalizers"]))
    if kind == "Replace":
        pattern = part["pattern"]
        if "Regex" in pattern:
            return pattern["Regex"] in _PATTERNS and part["content"] == " "
        texts = (str(pattern["String"]), str(part["content"]))
        return bool(texts[0]) and not any(character.isspace() for text in texts for character in text)
    return kind in _NORMALISERS


def _is_local(part: Any) -> bool:
    """Whether a pre-tokenizer works word by word once words are split."""
    if part["type"] == "Sequence":
        return all(map(_is_local, part["pretokenizers"]))
    return _splits(part) or part["type"] in {"Digits", "Punctuation"}


def _splits(part: Any) -> bool:
    """Whether a pre-tokenizer splits at every space that stands between two words."""
    match part["type"]:
        case "Sequence":
            return any(map(_splits, part["pretokenizers"]))
        case "BertPreTokenizer" | "Whitespace" | "WhitespaceSplit":
            return True
        case "ByteLevel":
            return bool(part.get("use_regex", True))
        case "Metaspace":
            return bool(part.get("split", True))
    return False


def _added(backend: Any) -> list[str]:
    """The tokens that are found in a text before it is cut into words."""
    return [token.content for token in backend.get_added_tokens_decoder().values()]
