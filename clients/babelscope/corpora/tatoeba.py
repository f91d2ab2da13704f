"""Tatoeba pairs as LASER issues them: `tatoeba.fra-eng.fra` and `tatoeba.fra-eng.eng`, line i translates line i."""

import re
from collections.abc import Iterator
from pathlib import Path

from babelscope.corpora.files import read_lines
from babelscope.corpora.options import Options
from babelscope.data.examples import Example
from babelscope.errors import CorpusError

NAME = re.compile(r"tatoeba\.(?P<pair>[a-z]{3}-[a-z]{3})\.(?P<side>[a-z]{3})(\.gz)?")


def read(path: Path, options: Options) -> Iterator[Example]:
    """Yields one example a line, with id `fra-eng:17`.

    The pair is part of the id because the English sides of different pairs differ: sides of two pairs then share no
    ids, and are never taken for translations of one another.

    Raises:
        CorpusError: The name is not that of a side of a pair, or the file cannot be read.
    """
    match = NAME.fullmatch(path.name)
    if match is None or match["side"] not in match["pair"].split("-"):
        raise CorpusError(path, 0, "Expected a name such as tatoeba.fra-eng.fra, whose side is one of the pair")
    language = options.language or match["side"]
    for number, line in read_lines(path):
        if line.strip() or options.empty:
            yield Example(f"{match['pair']}:{number}", line, language, number)
