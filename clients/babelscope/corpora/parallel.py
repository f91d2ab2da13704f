"""Parallel corpora: the same items in several languages, aligned by id and never by position."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from babelscope.corpora.reading import read_texts
from babelscope.data.texts import Text


@dataclass(frozen=True, eq=False)
class ParallelCorpus:
    """Texts of several languages that share ids.

    Alignment is pairwise: two languages are compared on the ids that both have, whatever a third one lacks, so that one
    poor language does not shrink all other pairs. `common()` gives the ids that all have, where figures of different
    pairs must rest on the same items.

    Attributes:
        texts: Texts by language, in the order of the corpus's files. Ids are unique within a language.
    """

    texts: Mapping[str, tuple[Text, ...]]
    _by_id: Mapping[str, Mapping[str, Text]] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        by_id = {language: {text.id: text for text in texts} for language, texts in self.texts.items()}
        for language, texts in self.texts.items():
            if len(by_id[language]) != len(texts):
                raise ValueError(f"Expected each id of language {language!r} once, but some are repeated")
        object.__setattr__(self, "_by_id", by_id)

    @property
    def languages(self) -> tuple[str, ...]:
        """The languages, in the order given."""
        return tuple(self.texts)

    @cached_property
    def ids(self) -> tuple[str, ...]:
        """Ids that any language has, in order of first appearance."""
        return tuple(dict.fromkeys(text.id for texts in self.texts.values() for text in texts))

    def missing(self) -> dict[str, tuple[str, ...]]:
        """By language, the ids that another language has and this one lacks; empty where none."""
        return {
            language: tuple(name for name in self.ids if name not in known) for language, known in self._by_id.items()
        }

    def pair(self, left: str, right: str) -> tuple[tuple[Text, ...], tuple[Text, ...]]:
        """The texts that both languages have: two rows of equal length, in the left one's order, ids equal throughout.

        Raises:
            KeyError: A language is not in the corpus.
        """
        lefts, rights = self._by_id[left], self._by_id[right]
        shared = [name for name in lefts if name in rights]
        return tuple(lefts[name] for name in shared), tuple(rights[name] for name in shared)

    def common(self, languages: Sequence[str] | None = None) -> "ParallelCorpus":
        """The corpus of the ids that all of these languages have (all languages where None), in the first one's order.

        Raises:
            KeyError: A language is not in the corpus.
        """
        chosen = tuple(self.languages if languages is None else languages)
        first, *others = (self._by_id[language] for language in chosen)
        return self._keep(chosen, [name for name in first if all(name in other for other in others)])

    def select(self, ids: Iterable[str]) -> "ParallelCorpus":
        """The corpus of these ids in this order; a language lacks those that it lacked before."""
        return self._keep(self.languages, list(ids))

    def _keep(self, languages: Sequence[str], ids: Sequence[str]) -> "ParallelCorpus":
        return ParallelCorpus(
            {
                language: tuple(self._by_id[language][name] for name in ids if name in self._by_id[language])
                for language in languages
            }
        )


def read_parallel(
    files: Mapping[str, str | Path],
    *,
    format: str | None = None,  # noqa: A002
    column: str = "",
    id_column: str = "",
) -> ParallelCorpus:
    """Reads one file a language (or one TSV file with a column a language) into a parallel corpus.

    Args:
        files: Path by language.
        format: Name of the format, as for `read_texts`; told from each file where None.
        column: Part of an item that is its text, as for `read_texts`.
        id_column: Column of the ids, as for `read_texts`.

    Raises:
        CorpusError: A file cannot be read, does not follow its format, repeats an id, or holds no text.
    """
    return ParallelCorpus(
        {
            language: tuple(read_texts(path, format=format, language=language, column=column, id_column=id_column))
            for language, path in files.items()
        }
    )
