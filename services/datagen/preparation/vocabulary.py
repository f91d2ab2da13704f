"""Sub-word vocabularies: learnt jointly, or one a language and joined, with or without what they share."""

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal, get_args

import numpy as np
from babelscope.corpora.vocabularies import join_tokens, numbered
from numpy.typing import NDArray

from services.runtime.errors import InvalidArgument

SPECIALS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
UNKNOWN = SPECIALS[1]
_CONTINUATION = "##"
_WORD_END = "</w>"
_LINE_WORDS = 4096

Kind = Literal["bpe", "wordpiece"]


@dataclass(frozen=True)
class Vocabulary:
    """A learnt vocabulary.

    Attributes:
        kind: `bpe` or `wordpiece`.
        description: The tokenizer as Hugging Face `tokenizers` writes it, JSON.
        tokens: All tokens by id; the special ones come first.
    """

    kind: Kind
    description: str
    tokens: tuple[str, ...]

    @cached_property
    def _tokenizer(self) -> Any:
        from tokenizers import Tokenizer

        return Tokenizer.from_str(self.description)

    def encode(self, words: Sequence[str]) -> NDArray[np.int32]:
        """[T] int32: the ids of a line that is already cut into words."""
        found = self._tokenizer.encode(list(words), is_pretokenized=True, add_special_tokens=False)
        return np.array(found.ids, dtype=np.int32)

    @classmethod
    def parse(cls, description: str) -> "Vocabulary":
        """Reads a vocabulary.

        Args:
            description: A tokenizer as Hugging Face `tokenizers` writes it, JSON.

        Raises:
            ValueError: It is none, or of another kind.
        """
        from tokenizers import Tokenizer

        try:
            kind = str(json.loads(description)["model"]["type"]).lower()
            tokenizer: Any = Tokenizer.from_str(description)
        except Exception as error:  # the package raises Exception itself
            raise ValueError(f"Expected a tokenizer as JSON, but it cannot be read: {error}") from error
        if kind not in get_args(Kind):
            raise ValueError(f"Expected a vocabulary of kind {' or '.join(get_args(Kind))}, but got {kind!r}")
        return cls("bpe" if kind == "bpe" else "wordpiece", description, _tokens(tokenizer))


def learn_from(
    counts: Counter[str], size: int, *, kind: Kind = "bpe", specials: Sequence[str] = SPECIALS, least: int = 2
) -> Vocabulary:
    """Learns a vocabulary from counted words; for a joint one count the words of all languages, as they should weigh.

    Deterministic: words are given in sorted order, so that neither the order of the lines nor the number of threads
    matters.

    Args:
        counts: How often each word occurs.
        size: Tokens at most, special ones included.
        kind: `bpe` merges the most frequent pair (Sennrich et al. 2016), ends of words marked `</w>`; `wordpiece` marks
            continuations `##`, as BERT does.
        specials: Tokens with ids 0, 1, ...; the second is the unknown one.
        least: How often a pair must occur to be merged.

    Raises:
        InvalidArgument: There is no word, or the size does not hold the special tokens and the letters.
    """
    from tokenizers import Tokenizer, models, pre_tokenizers, trainers

    letters = sorted({letter for word in counts for letter in word})
    if not letters:
        raise InvalidArgument("lines", "Expected at least one word, but got none")
    if kind == "bpe":
        marked = sorted({word[-1] + _WORD_END for word in counts})
    else:
        marked = sorted({_CONTINUATION + letter for word in counts for letter in word[1:]})
    needed = len(specials) + len(marked) + len(letters)
    if size < needed:
        raise InvalidArgument("size", f"Expected at least {needed} (special tokens and letters), but got {size}")
    make: Any = trainers  # untyped
    shared = {
        "vocab_size": size,
        "min_frequency": least,
        "initial_alphabet": letters,
        # The trainer numbers marked letters as it meets them, in an order of its own that differs from run to run, and
        # breaks ties by these numbers. Named here they are numbered first; then they are made plain tokens again.
        "special_tokens": [*specials, *marked],
        "show_progress": False,
    }
    if kind == "bpe":
        tokenizer = Tokenizer(models.BPE(unk_token=specials[1], end_of_word_suffix=_WORD_END))
        trainer = make.BpeTrainer(end_of_word_suffix=_WORD_END, **shared)
    else:
        tokenizer = Tokenizer(models.WordPiece(unk_token=specials[1], continuing_subword_prefix=_CONTINUATION))
        trainer = make.WordPieceTrainer(continuing_subword_prefix=_CONTINUATION, **shared)
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer.train_from_iterator(_repeated(counts), trainer)
    description = json.loads(tokenizer.to_str())
    description["added_tokens"] = [token for token in description["added_tokens"] if token["content"] in specials]
    return Vocabulary(kind, json.dumps(description, ensure_ascii=False), _tokens(tokenizer))


def _repeated(counts: Counter[str]) -> Iterator[str]:
    """Each word as often as it was counted, in lines of bounded length."""
    for word, times in sorted(counts.items()):
        for start in range(0, times, _LINE_WORDS):
            yield " ".join([word] * min(times - start, _LINE_WORDS))


def _tokens(tokenizer: Any) -> tuple[str, ...]:
    """All tokens by id."""
    return tuple(token for token, _ in sorted(tokenizer.get_vocab().items(), key=lambda item: item[1]))


@dataclass(frozen=True, eq=False)
class JoinedVocabulary:
    """Vocabularies of several languages as one: each language is cut by its own and numbered by the joint one.

    Attributes:
        tokens: All tokens by joint id; the special ones come first.
        parts: The vocabulary of each language.
        ids: For each language [V_language] int32: the joint id of each of its own.
        shared: How many tokens, special ones aside, belong to more than one language.
    """

    tokens: tuple[str, ...]
    parts: Mapping[str, Vocabulary]
    ids: Mapping[str, NDArray[np.int32]]
    shared: int

    def encode(self, words: Sequence[str], language: str) -> NDArray[np.int32]:
        """[T] int32: the joint ids of a line in words."""
        found: NDArray[np.int32] = self.ids[language][self.parts[language].encode(words)]
        return found


def join(
    parts: Mapping[str, Vocabulary], *, prefixed: bool = False, specials: Sequence[str] = SPECIALS
) -> JoinedVocabulary:
    """Joins the vocabularies of languages (Conneau, Wu et al. 2020, section 4.2: the default anchors, or none).

    Args:
        parts: Vocabularies by language.
        prefixed: Each token gets its language before it, `en:the`, so that no two languages share one: no anchors.
        specials: Tokens that all languages share in any case.
    """
    names = join_tokens({language: part.tokens for language, part in parts.items()}, specials, prefixed=prefixed)
    number = numbered(names, specials)
    owners: Counter[str] = Counter(name for each in names.values() for name in each if name not in specials)
    ids = {language: np.array([number[name] for name in each], dtype=np.int32) for language, each in names.items()}
    shared = sum(count > 1 for count in owners.values())
    return JoinedVocabulary(tuple(number), dict(parts), ids, shared)
