"""How much of a long text has to be cut into tokens, where only its first tokens are wanted.

The tokens of a text that is cut before a space begin as those of the whole text do, if every part of the tokenizer
works within words: the normaliser maps characters with no look at what stands across a space, the pre-tokenizer splits
at spaces, and the model sees one word at a time. `splits_at_spaces` says so of tokenizers all of whose parts are known
to; all others get their texts whole.
"""

import json
import unicodedata
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
