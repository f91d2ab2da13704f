"""Examples to streams: sub-words and ids as they stand, or running text cut by the model's tokenizer and joined."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice

import numpy as np
from babelscope.data.examples import Example
from numpy.typing import NDArray

from services.models.tokens.tokenization import Tokenizer
from services.runtime.errors import InvalidArgument
from services.trainer.pretraining.plan import Form

Ids = NDArray[np.int32]
_CHUNK = 512


@dataclass(frozen=True, eq=False)
class Cutter:
    """Cuts the examples of a set.

    Attributes:
        tokenizer: The model's tokenizer.
        form: What the texts are.
        room: Tokens of a stream besides the special ones around it.
        vocabulary: Ids of the vocabulary, V.
        dataset: Name of the dataset, for errors.
        language: What the model takes for the language of the texts; None where it is not told.
    """

    tokenizer: Tokenizer
    form: Form
    room: int
    vocabulary: int
    dataset: str
    language: int | None = None

    def __call__(self, examples: Iterable[Example]) -> Iterator[Ids]:
        """The ids of all streams, without special tokens around them; none of them is empty.

        Raises:
            InvalidArgument: An example is no running text, a sub-word or id is not in the vocabulary, or a stream is
                longer than the model takes.
        """
        yield from self._joined(examples) if self.form == "text" else self._given(examples)

    def _given(self, examples: Iterable[Example]) -> Iterator[Ids]:
        """One stream an example."""
        table = self.tokenizer.backend.get_vocab(with_added_tokens=True) if self.form == "pieces" else {}
        for example in examples:
            pieces = self._text(example).split()
            try:
                ids = np.array([table[each] if self.form == "pieces" else int(each) for each in pieces], dtype=np.int32)
            except (KeyError, ValueError, OverflowError):
                known = table if self.form == "pieces" else frozenset(filter(str.isdecimal, pieces))
                strange = next(each for each in pieces if each not in known)
                raise self._wrong(example, f"{self.form} of the model's vocabulary", repr(strange)) from None
            strangers = ids[(ids < 0) | (ids >= self.vocabulary)]
            if len(strangers):
                raise self._wrong(example, f"ids within 0..{self.vocabulary - 1}", str(strangers[0]))
            if len(ids) > self.room:
                raise self._wrong(
                    example, f"a stream of at most {self.room} tokens, without those around it", str(len(ids))
                )
            if len(ids):
                yield ids

    def _joined(self, examples: Iterable[Example]) -> Iterator[Ids]:
        """Texts joined, the tokenizer's last special token between them, and cut into streams; the last is shorter."""
        tokenizer = self.tokenizer.of(self.language)
        end = [token for token, _ in tokenizer.frame(1).after][:1]
        held: list[int] = []
        remaining = iter(examples)
        while chunk := list(islice(remaining, _CHUNK)):
            texts = [self._text(example) for example in chunk]
            for encoding in tokenizer.backend.encode_batch(texts, add_special_tokens=False):
                if encoding.ids:
                    held += [*encoding.ids, *end]
            whole = len(held) - len(held) % self.room
            for start in range(0, whole, self.room):
                yield np.array(held[start : start + self.room], dtype=np.int32)
            del held[:whole]
        if held:
            yield np.array(held, dtype=np.int32)

    def _text(self, example: Example) -> str:
        if not isinstance(example.content, str):
            raise self._wrong(example, "running text", type(example.content).__name__)
        return example.content

    def _wrong(self, example: Example, expected: str, got: str) -> InvalidArgument:
        return InvalidArgument(f"dataset {self.dataset} example {example.id}", f"Expected {expected}, but got {got}")
