"""Words of a corpus with the mean of each over all its contexts: requests, answers, and what is done with them."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, Self

import numpy as np
from numpy.typing import NDArray

from babelscope.calls.corpus.corpora import text_messages
from babelscope.calls.views import View
from babelscope.data.activations import EncodeInfo, Progress
from babelscope.data.tensors import to_numpy
from babelscope.data.texts import Text, count
from babelscope.errors import DataCorrupted
from babelscope.v1 import encoder_pb2

_MESSAGE_WORDS: Final = 4096


@dataclass(frozen=True, slots=True, eq=False)
class WordMeans:
    """Words of a corpus, each with the mean over all its contexts at every layer.

    Args:
        words: w words, in the order of their first occurrence.
        counts: [w] int64, occurrences averaged.
        array: [w, K, d] float32.
        layers: K layers.
        texts: Texts with at least one of the words.
        tokens: Tokens computed.
        truncated: Texts that were cut.
        empty_rows: Occurrences without pieces, which are not averaged.
        rare_words: Words below the count wanted, which are left out.
        info: What the call resolved to.
        left_out_words: Of rows of the embedding table, words wanted that are not one piece, which are left out.
    """

    words: tuple[str, ...]
    counts: NDArray[np.int64]
    array: NDArray[np.float32]
    layers: tuple[int, ...]
    texts: int
    tokens: int
    truncated: int
    empty_rows: int
    rare_words: int
    info: EncodeInfo
    left_out_words: int = 0

    def vector(self, word: str, layer: int) -> NDArray[np.float32]:
        """The mean of a word at one layer, [d].

        Raises:
            ValueError: The word or the layer is not among them.
        """
        if word not in self.words or layer not in self.layers:
            raise ValueError(
                f"Expected one of the {len(self.words)} words and one of the layers {list(self.layers)}, "
                f"but got {word!r} and {layer}"
            )
        row: NDArray[np.float32] = self.array[self.words.index(word), self.layers.index(layer)]
        return row

    def view(self, language: str = "", *, limit: int = 0) -> View:
        """The words as rows to compare or to retrieve; each word is its own id, as gold pairs name it.

        Args:
            language: BCP 47 language tag.
            limit: The most frequent so many words; all where 0.

        Raises:
            ValueError: There is no word.
        """
        if not self.words:
            raise ValueError("Expected at least one word, but the corpus has none of those wanted")
        order = np.argsort(-self.counts, kind="stable")[: limit or None]
        return View(
            activations=self.array[order],
            ids=[self.words[place] for place in order],
            layers=self.layers,
            language=language,
            origin=self.info,
        )

    @classmethod
    def merge(cls, shards: Iterable[Self]) -> "WordMeans":
        """The words of a corpus from those of its shards, encoded without a `min_count`.

        Raises:
            ValueError: There is no shard, or they are of different models or layers.
        """
        parts = list(shards)
        if not parts:
            raise ValueError("Expected at least one shard, but got none")
        first = parts[0]
        for part in parts:
            if (part.layers, part.info.model.digest) != (first.layers, first.info.model.digest):
                raise ValueError("Expected shards of one model and the same layers, but they differ")
        numbers = {word: number for number, word in enumerate(dict.fromkeys(w for part in parts for w in part.words))}
        sums = np.zeros((len(numbers), *first.array.shape[1:]))
        counts = np.zeros(len(numbers), np.int64)
        for part in parts:
            places = [numbers[word] for word in part.words]
            sums[places] += part.array.astype(np.float64) * part.counts[:, None, None]
            counts[places] += part.counts
        return WordMeans(
            tuple(numbers),
            counts,
            (sums / np.maximum(counts, 1)[:, None, None]).astype(np.float32),
            first.layers,
            sum(part.texts for part in parts),
            sum(part.tokens for part in parts),
            sum(part.truncated for part in parts),
            sum(part.empty_rows for part in parts),
            sum(part.rare_words for part in parts),
            first.info,
        )


class WordsWork:
    """One call of `EncodeWords`, which can be made as often as its texts can be read.

    Args:
        spec: What is computed.
        texts: The corpus.
        words: Words wanted; all where empty.
    """

    method = "EncodeWords"

    def __init__(
        self, spec: encoder_pb2.EncodeWordsSpec, texts: Iterable[Text | str], words: Sequence[str] = ()
    ) -> None:
        if isinstance(words, str):
            raise TypeError("Expected `words` to be a list of words, but got str")
        self._spec = spec
        self._texts = texts
        self._words = list(dict.fromkeys(words))
        self._total = count(texts) or 0

    @property
    def repeatable(self) -> bool:
        """Whether the texts can be read again."""
        return isinstance(self._texts, Sequence)

    def requests(self) -> Iterator[encoder_pb2.EncodeWordsRequest]:
        """All messages, from the first."""
        yield encoder_pb2.EncodeWordsRequest(spec=self._spec)
        for start in range(0, len(self._words), _MESSAGE_WORDS):
            wanted = encoder_pb2.WantedWords(words=self._words[start : start + _MESSAGE_WORDS])
            yield encoder_pb2.EncodeWordsRequest(words=wanted)
        for message in text_messages(self._texts):
            yield encoder_pb2.EncodeWordsRequest(texts=message)

    def fold(self) -> "WordsFold":
        """An empty fold for the answers of one attempt."""
        return WordsFold(self._spec, self._total)


class WordsFold:
    """Folds the answers of an `EncodeWords` call. Pure: both twins drive it.

    Args:
        spec: What was asked for.
        total: Texts of the corpus; 0 where not known.
    """

    def __init__(self, spec: encoder_pb2.EncodeWordsSpec, total: int) -> None:
        self._spec = spec
        self._total = total
        self._info: EncodeInfo | None = None
        self._finished: encoder_pb2.EncodeWordsFinished | None = None
        self._words: list[str] = []
        self._counts: list[int] = []
        self._arrays: list[NDArray[np.float32]] = []

    def receive(self, response: encoder_pb2.EncodeWordsResponse) -> Progress | None:
        """Takes an answer in; the progress where it tells of one.

        Raises:
            DataCorrupted: Words and their vectors do not fit one another.
        """
        match response.WhichOneof("message"):
            case "started":
                info = EncodeInfo.from_proto(response.started, self._spec.encode.model)
                self._info = replace(info, pooling="embedding_table") if self._spec.embedding_table else info
            case "progress":
                return Progress("encode", response.progress.texts, self._total)
            case "words":
                self._take(response.words)
            case "finished":
                self._finished = response.finished
        return None

    def _take(self, part: encoder_pb2.WordVectors) -> None:
        array: Any = to_numpy(part.vectors, field="words.vectors")
        info = self._info
        # The embedding table may be narrower than the hidden states, but is as wide in one message as in the next.
        shape = (len(part.words), len(info.layers), self._width(array, info.model.hidden_size)) if info else ()
        if array.shape != shape or len(part.counts) != len(part.words) or not np.isfinite(array).all():
            raise DataCorrupted(f"Expected finite vectors as {list(shape)} with a count each, but got {array.shape}")
        self._words += part.words
        self._counts += part.counts
        self._arrays.append(array)

    def _width(self, array: Any, hidden_size: int) -> int:
        """What a vector has to have."""
        if not self._spec.embedding_table:
            return hidden_size
        return self._arrays[0].shape[-1] if self._arrays else int(array.shape[-1])

    def finish(self) -> WordMeans:
        """The words, once the stream has ended.

        Raises:
            DataCorrupted: It ended without the totals, or with other words than they tell of.
        """
        found, info = self._finished, self._info
        if found is None or info is None:
            raise DataCorrupted("Expected the totals at the end of the answer, but the stream ended without them")
        if len(self._words) != found.words or len(set(self._words)) != found.words:
            raise DataCorrupted(f"Expected {found.words} different words, but got {len(self._words)}")
        width = self._arrays[0].shape[-1] if self._arrays else info.model.hidden_size
        empty = np.zeros((0, len(info.layers), width), np.float32)
        return WordMeans(
            tuple(self._words),
            np.array(self._counts, np.int64),
            np.concatenate([empty, *self._arrays]),
            info.layers,
            found.texts,
            found.tokens,
            found.truncated,
            found.empty_rows,
            found.rare_words,
            info,
            found.left_out_words,
        )
