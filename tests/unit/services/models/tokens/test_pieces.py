"""Words of one piece, as tokenizers of each kind cut them within a text."""

import pytest
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers

from services.models.tokens.pieces import SEVERAL, single_pieces

UNKNOWN = "<unk>"


def _wordpiece() -> Tokenizer:
    table = {token: place for place, token in enumerate([UNKNOWN, "the", "cat", "##s", "s", "猫", "paris"])}
    tokenizer = Tokenizer(models.WordPiece(table, unk_token=UNKNOWN))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    return tokenizer


def _bytes() -> Tokenizer:
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    table = {token: place for place, token in enumerate([*alphabet, "ca", "cat", "Ġs", "Ġca", "Ġcat", "in", "ing"])}
    merges = [("Ġ", "s"), ("c", "a"), ("Ġ", "ca"), ("Ġca", "t"), ("ca", "t"), ("i", "n"), ("in", "g")]
    tokenizer = Tokenizer(models.BPE(table, merges))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, trim_offsets=True)
    return tokenizer


def _unigram() -> Tokenizer:
    pieces = ["<s>", "▁", "▁cat", "cat", "s", "ing", "猫", "▁the"]
    entries = [(UNKNOWN, 0.0), *((piece, -1.0 - place) for place, piece in enumerate(pieces))]
    tokenizer = Tokenizer(models.Unigram(entries, unk_id=0))
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.add_special_tokens(["<s>"])
    return tokenizer


@pytest.mark.parametrize(
    ("tokenizer", "words"),
    [
        # A piece of the inside of words is none; case is the tokenizer's matter; what is not known is no word.
        (_wordpiece(), {"the": "the", "cat": "cat", "cats": None, "s": "s", "猫": "猫", "猫猫": None, "Paris": "paris",
                        "☃": None, "dog": None, "the cat": None}),
        # Behind a space, `cat` is not the piece that stands at the beginning of a text or after another one.
        (_bytes(), {"cat": "Ġcat", "s": "Ġs", "ing": None, "cats": None, "猫": None, "☃": None}),
        # A space that is a piece of its own is one too many, but in scripts that have no spaces.
        (_unigram(), {"cat": "▁cat", "ing": None, "猫": "猫", "猫猫": None, "the": "▁the", "☃": None, "<s>": None}),
    ],
    ids=["wordpiece", "bytes", "unigram"],
)  # fmt: skip
def test_words_of_one_piece(tokenizer: Tokenizer, words: dict[str, str | None]) -> None:
    found = single_pieces(tokenizer, list(words))
    got = {
        word: None if piece == SEVERAL else tokenizer.id_to_token(int(piece))
        for word, piece in zip(words, found, strict=True)
    }
    assert got == words


def test_no_words() -> None:
    assert single_pieces(_wordpiece(), []).tolist() == []
