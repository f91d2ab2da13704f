"""Links between the words of parallel sentences: files of `i-j` (Pharaoh), and the programs that make them."""

import re
import subprocess
from collections.abc import Iterable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

from babelscope.corpora.files import read_lines
from babelscope.data.atomic import write_atomically
from babelscope.errors import BabelscopeError, CorpusError

Links = tuple[tuple[int, int], ...]
"""Places of a source word and a target word that translate one another, from 0."""
Words = Sequence[str]

_LINK: Final = re.compile(r"([0-9]{1,9})-([0-9]{1,9})")
_ROUNDS: Final = 5


def read_alignments(path: str | Path) -> list[Links]:
    """Reads links, a pair of sentences a line: `0-0 1-2`; a line may be empty.

    Raises:
        CorpusError: The file cannot be read, or a line holds something else.
    """
    path, found = Path(path), list[Links]()
    for number, line in read_lines(path):
        matched = [_LINK.fullmatch(field) for field in line.split()]
        if None in matched:
            raise CorpusError(path, number, f"Expected links i-j with spaces between them, but got {line[:80]!r}")
        found.append(tuple((int(each[1]), int(each[2])) for each in matched if each))
    return found


def write_alignments(alignments: Iterable[Links], path: str | Path) -> None:
    """Writes links, for `read_alignments`."""
    lines = (" ".join(f"{source}-{target}" for source, target in links) for links in alignments)
    write_atomically(Path(path), "".join(f"{line}\n" for line in lines))


def linked_rows(
    ids: Sequence[str], alignments: Sequence[Links], lengths: Sequence[tuple[int, int]] | None = None
) -> list[tuple[str, str]]:
    """Links as pairs of rows of word activations, `ID#NUMBER` each, as `fit_map` takes them as `seeds`.

    Args:
        ids: Ids of the pairs of sentences, which both sides share.
        alignments: Links of each pair.
        lengths: Numbers of words of both sides of each pair, within which links must lie; not checked where None.

    Raises:
        ValueError: The numbers of ids and alignments differ, or a link leads to no word.
    """
    if len(ids) != len(alignments) or (lengths is not None and len(lengths) != len(ids)):
        raise ValueError(f"Expected links for each of {len(ids)} pairs of sentences, but got {len(alignments)}")
    pairs = []
    for place, (one, links) in enumerate(zip(ids, alignments, strict=True)):
        for source, target in links:
            if lengths is not None and not (source < lengths[place][0] and target < lengths[place][1]):
                raise ValueError(f"Expected links within {lengths[place]} words of {one!r}, but got {source}-{target}")
            pairs.append((f"{one}#{source}", f"{one}#{target}"))
    return pairs


def align_words(pairs: Sequence[tuple[Words, Words]], tool: str = "fast_align") -> list[Links]:
    """Links of parallel sentences in words: those that both directions agree on.

    Args:
        pairs: Source and target words of each pair.
        tool: `fast_align` (Dyer et al. 2013, by the package sil-thot, the extra `align`), or `eflomal` (Oestling and
            Tiedemann 2016, by its program `eflomal-align`, which is under the GPL and installed by the user).

    Raises:
        ValueError: There is no such tool, or no pair.
        BabelscopeError: It is not installed, or it fails.
    """
    if tool not in _TOOLS:
        raise ValueError(f"Expected a tool of {', '.join(_TOOLS)}, but got {tool!r}")
    if not pairs:
        raise ValueError("Expected at least one pair of sentences, but got none")
    kept = [place for place, (source, target) in enumerate(pairs) if source and target]
    links = dict(zip(kept, _TOOLS[tool]([pairs[place] for place in kept]) if kept else (), strict=True))
    return [links.get(place, ()) for place in range(len(pairs))]


def _fast_align(pairs: Sequence[tuple[Words, Words]]) -> list[Links]:
    try:
        from thot import alignment
    except ImportError as error:
        raise BabelscopeError("Expected the package sil-thot, which is the extra `align`, but it is missing") from error
    models: list[Any] = [alignment.FastAlignModel(), alignment.FastAlignModel()]
    for inverse, model in enumerate(models):
        for source, target in pairs:
            sides = (list(target), list(source)) if inverse else (list(source), list(target))
            model.add_sentence_pair(*sides)
        model.start_training()
        for _ in range(_ROUNDS):
            model.train()
        model.end_training()
    both: Any = alignment.SymmetrizedAligner(*models)
    both.heuristic = alignment.SymmetrizationHeuristic.INTERSECTION
    found = []
    for source, target in pairs:
        _, matrix = both.get_best_alignment(list(source), list(target))
        found.append(tuple((int(i), int(j)) for i, j in zip(*matrix.to_numpy().nonzero(), strict=True)))
    return found


def _eflomal(pairs: Sequence[tuple[Words, Words]]) -> list[Links]:
    with TemporaryDirectory() as name:
        folder = Path(name)
        lines = (" ||| ".join(" ".join(map(_joined, words)) for words in pair) for pair in pairs)
        write_atomically(folder / "pairs", "".join(f"{line}\n" for line in lines))
        paths = [str(folder / each) for each in ("pairs", "forward", "reverse")]
        command = ["eflomal-align", "-i", paths[0], "-f", paths[1], "-r", paths[2], "--overwrite"]
        try:
            subprocess.run(command, check=True, capture_output=True)
        except FileNotFoundError as error:
            raise BabelscopeError("Expected the program eflomal-align on the path, but there is none") from error
        except subprocess.CalledProcessError as error:
            said = error.stderr.decode(errors="replace")[-500:]
            raise BabelscopeError(f"Expected links from eflomal-align, but it failed: {said}") from error
        forward, reverse = (read_alignments(path) for path in paths[1:])
    return [tuple(sorted(set(one) & set(other))) for one, other in zip(forward, reverse, strict=True)]


def _joined(word: str) -> str:
    """A word without white space, and never the mark between the two sentences."""
    return "_".join(word.split()).replace("|||", "|") or "_"


_TOOLS: Final = {"fast_align": _fast_align, "eflomal": _eflomal}
