"""Bilingual dictionaries: word pairs of a file (TSV, or MUSE's, separated by spaces), plain or gzip."""

import stat
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import product
from operator import eq
from pathlib import Path
from typing import Final

from babelscope.corpora.files import read_lines
from babelscope.corpora.words import pair_of_line
from babelscope.data.languages import read_tag, same_language
from babelscope.errors import CorpusError

from services.runtime.errors import FailedPrecondition, InvalidArgument, NotFound
from services.runtime.memory import hold_here, weight
from services.runtime.names import check_name, problem_of, shown
from services.runtime.text.words import fold

FIELD: Final = "dictionary"
MOST_BYTES: Final = 1 << 30
"""Largest file that is read as a dictionary."""
SUFFIXES = (".tsv", ".txt", ".tsv.gz", ".txt.gz", ".gz", "")


@dataclass(frozen=True, slots=True)
class Pair:
    """A word and one translation of it, either of one word or more."""

    source: str
    target: str
    weight: float = 1.0


class WordPairs:
    """A dictionary held in memory.

    Looked up by folded words (NFC, case-folded): `The` and `the` are one entry. The translations of a word stand by
    their weight, those of equal weight in the order of the source: the first is the best guess. Of the same pair
    given twice the larger weight stands.

    Args:
        pairs: The word pairs.
        source: Tag of the source language, for case folding.
        name: What errors call it.

    Raises:
        FailedPrecondition: There is no pair.
    """

    def __init__(self, pairs: Iterable[Pair], *, source: str = "", name: str = "of the request") -> None:
        self._language = source
        entries: dict[str, dict[str, float]] = {}
        self._written: dict[str, str] = {}
        for pair in pairs:
            key = self._fold(pair.source)
            known = entries.setdefault(key, {})
            if pair.target not in known:
                hold_here(2 * weight(pair.source, pair.target))
            known[pair.target] = max(pair.weight, known.get(pair.target, 0.0))
            self._written.setdefault(key, pair.source)
        if not entries:
            raise FailedPrecondition(f"dictionary {name}", "Expected at least one word pair, but it holds none")
        self._entries = {key: tuple(sorted(known.items(), key=lambda item: -item[1])) for key, known in entries.items()}

    def translations(self, word: str) -> tuple[tuple[str, float], ...]:
        """Translations of a word with their weights, best first; empty where it has none."""
        return self._entries.get(self._fold(word), ())

    def sources(self) -> Iterable[str]:
        """All source words, as they were first written."""
        return self._written.values()

    def __len__(self) -> int:
        return len(self._entries)

    def _fold(self, word: str) -> str:
        return " ".join(fold(word, self._language).split())


def read_pairs(path: Path) -> Iterator[Pair]:
    """Yields the word pairs of a file.

    A line is `source TAB target`, or with a third column, a weight above 0; without a tab, two words (and a weight)
    separated by spaces. Empty lines are left out.

    Raises:
        CorpusError: The file cannot be read, or a line is not a word pair.
    """
    for number, line in read_lines(path):
        if not line.strip():
            continue
        try:
            source, target, weighed = pair_of_line(line)
        except ValueError as error:
            raise CorpusError(path, number, str(error)) from None
        yield Pair(source, target, weighed)


def read_dictionary(path: Path, *, source: str = "") -> WordPairs:
    """Reads a dictionary.

    Args:
        path: A file of word pairs, plain or gzip.
        source: Tag of the source language, for case folding.

    Raises:
        FailedPrecondition: The file cannot be read, a line is not a word pair, or there is none.
    """
    try:
        return WordPairs(read_pairs(path), source=source, name=path.name)
    except CorpusError as error:
        raise FailedPrecondition(f"dictionary {path.name}", str(error)) from error


def _spellings(tag: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys((tag, read_tag(tag).canonical)))


def _means(source: str, target: str, stem: str) -> bool:
    """Whether a file's stem is `SOURCE-TARGET` in any spelling."""
    parts = stem.split("-")
    return any(
        same_language("-".join(parts[:at]), source) and same_language("-".join(parts[at:]), target)
        for at in range(1, len(parts))
    )


def _of_pair(files: Sequence[Path], fits: Callable[[str], bool]) -> Path | None:
    """The file whose name without suffix fits, else one whose name before the first dot does."""
    ends = ((file, end) for end in SUFFIXES for file in files if file.name.endswith(end))
    exact = [file for file, end in ends if fits(file.name.removesuffix(end))]
    loose = [file for file in files if "." in file.name and fits(file.name.split(".")[0])]
    return next(iter(exact or loose), None)


def find_dictionary(roots: Iterable[Path], reference: str, source: str, target: str) -> Path:
    """Finds the file of a dictionary under the allowed folders.

    Args:
        roots: Folders that may be read.
        reference: A file, or a folder with files called `SOURCE-TARGET` (also `SOURCE-TARGET.muse-train` and the like),
            relative to a root or absolute within one; `{source}` and `{target}` in it stand for the tags. A file may
            spell them otherwise, `zh` for `cmn`; one that spells them as they were given comes first.
        source: Tag of the source language.
        target: Tag of the target language.

    Raises:
        InvalidArgument: The reference is no path, or a link in a folder that it names leads out of the root.
        NotFound: There is no such file within the roots; names that exist nearby are told.
        FailedPrecondition: The file is larger than `MOST_BYTES`.
    """
    roots = [root.resolve() for root in roots]
    nearby: list[str] = []
    named = reference.replace("{source}", source).replace("{target}", target)
    if named not in {".", "./"}:  # a root itself
        check_name(named.removeprefix("/").removesuffix("/"), FIELD, "a dictionary's path below a root, without `..`")
    for root, one, two in product(roots, _spellings(source), _spellings(target)):
        spelt = reference.replace("{source}", one).replace("{target}", two)
        # Another spelling of a tag may be longer than the one that was checked.
        path = None if problem_of(spelt.strip("/")) and named not in {".", "./"} else _resolved(root / spelt)
        if path is None or (path != root and not path.is_relative_to(root)):
            continue
        if path.is_file():
            return _readable(path, root)
        if path.is_dir():
            files = sorted(file for file in path.iterdir() if file.is_file())
            for fits in (partial(eq, f"{source}-{target}"), partial(_means, source, target)):
                if found := _of_pair(files, fits):
                    return _readable(found, root)
            nearby += [file.name for file in files if file.name.split(".")[0].endswith(f"-{target}")]
    raise NotFound("dictionary", f"{reference} ({source or 'any'}-{target})", list(dict.fromkeys(nearby))[:5])


def _resolved(path: Path) -> Path | None:
    """A path without links; None where they lead in a circle or into what may not be read."""
    try:
        return path.resolve()
    except (OSError, RuntimeError):
        return None


def _readable(path: Path, root: Path) -> Path:
    """A dictionary's file, unless a symbolic link leads out of its root or it is too large to be held."""
    real = path.resolve()
    if not real.is_relative_to(root):
        raise InvalidArgument(
            FIELD, f"Expected dictionary {shown(path.name)} to lie within its root, but a link leads out of it"
        )
    state = real.stat()
    if not stat.S_ISREG(state.st_mode) or state.st_size > MOST_BYTES:
        raise FailedPrecondition(
            f"dictionary {path.name}", f"Expected a file of at most {MOST_BYTES} bytes, but it has {state.st_size}"
        )
    return path
