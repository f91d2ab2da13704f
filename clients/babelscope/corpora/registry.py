"""The formats by name, and telling a file's format from its name or its first lines."""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

from babelscope.corpora import conll2003, conllu, hub, iob2, squad, tatoeba, text_lines, tsv, xnli
from babelscope.corpora.files import BOM, open_bytes
from babelscope.corpora.options import Options
from babelscope.data.examples import Example
from babelscope.errors import CorpusError

HEAD_BYTES = 1 << 16
_TABLES = (".csv", ".jsonl", ".ndjson", ".parquet", ".arrow")
"""Ends of the names of files that hold rows of columns, none of whose lines is a text."""

_CONLLU_WORD = re.compile(r"[0-9][0-9.\-]*(\t[^\t]*){9}")


@dataclass(frozen=True, slots=True)
class Format:
    """A format of corpora.

    Attributes:
        name: Name by which users choose it.
        summary: What it is, in a few words.
        read: Yields the examples of a file.
        columns: Values of `Options.column` it knows; none where an item has one text; `*` where the file says.
        by_name: Whether a file's name (without `.gz`) tells the format.
        by_head: Whether a file's first lines tell it.
    """

    name: str
    summary: str
    read: Callable[[Path, Options], Iterator[Example]]
    columns: tuple[str, ...] = ()
    by_name: Callable[[str], bool] = lambda name: False
    by_head: Callable[[Sequence[str]], bool] = lambda lines: False


def _ends(*suffixes: str) -> Callable[[str], bool]:
    return lambda name: name.lower().endswith(suffixes)


def _first_word(pattern: re.Pattern[str]) -> Callable[[Sequence[str]], bool]:
    def matches(lines: Sequence[str]) -> bool:
        first = next((line for line in lines if line.strip() and not line.startswith("#")), "")
        return pattern.fullmatch(first) is not None

    return matches


# In the order in which they are tried. The last takes whatever is left.
FORMATS: tuple[Format, ...] = (
    Format(
        "tatoeba", "a side of a Tatoeba pair", tatoeba.read, by_name=lambda name: bool(tatoeba.NAME.fullmatch(name))
    ),
    Format("conllu", "CoNLL-U trees", conllu.read, (), _ends(".conllu"), _first_word(_CONLLU_WORD)),
    Format("iob2", "words with entity tags", iob2.read, (), _ends(".iob2", ".iob", ".bio"), iob2.is_head),
    Format(
        "conll2003",
        "CoNLL-2003 and 2002, blanks between columns",
        conll2003.read,
        (),
        _ends(".conll"),
        conll2003.is_head,
    ),
    Format(
        "squad",
        "SQuAD JSON",
        squad.read,
        ("question", "context"),
        _ends(".json"),
        lambda lines: bool(lines) and lines[0].startswith("{") and any('"data"' in line for line in lines),
    ),
    Format(
        "xnli",
        "XNLI TSV",
        xnli.read,
        ("hypothesis", "premise"),
        by_head=lambda lines: bool(lines) and xnli.is_header(lines[0]),
    ),
    Format(
        "tsv", "TSV", tsv.read, ("*",), _ends(".tsv", ".tab"), lambda lines: bool(lines) and lines[0].count("\t") > 1
    ),
    Format("hub", "a dataset of the Hugging Face hub, hub:NAME", hub.read, ("*",)),
    Format("lines", "text lines", text_lines.read, by_head=lambda lines: True),
)

BY_NAME = {each.name: each for each in FORMATS}


def find_format(path: Path, name: str | None = None) -> Format:
    """The format called `name`, or the one that the file's name or its first lines tell.

    Raises:
        CorpusError: There is no format of that name, the file's name is that of a table that only `hub` reads, or the
            file cannot be read.
    """
    if name is not None:
        if name not in BY_NAME:
            raise CorpusError(path, 0, f"Expected `format` to be one of {', '.join(BY_NAME)}, but got {name!r}")
        return BY_NAME[name]
    if hub.is_reference(path):
        return BY_NAME["hub"]
    plain = path.name.removesuffix(".gz")
    if plain.lower().endswith(_TABLES):
        problem = f"Expected `format` for a file of this name: hub:{path.parent} reads it as a table, `lines` as texts"
        raise CorpusError(path, 0, problem)
    lines = _head(path)
    # XNLI's header, and tags after words, tell more than `.tsv` does.
    if BY_NAME["xnli"].by_head(lines):
        return BY_NAME["xnli"]
    if plain.lower().endswith(".tsv") and iob2.holds_tags(lines):
        return BY_NAME["iob2"]
    if plain.lower().endswith(".conll") and BY_NAME["conllu"].by_head(lines):
        return BY_NAME["conllu"]
    named = (each for each in FORMATS if each.by_name(plain))
    looked = (each for each in FORMATS if each.by_head(lines))
    return next(chain(named, looked))


def _head(path: Path) -> list[str]:
    with open_bytes(path) as stream:
        head = stream.read(HEAD_BYTES)
    return [line.removesuffix("\r") for line in head.decode("utf-8", "replace").removeprefix(BOM).split("\n")]
