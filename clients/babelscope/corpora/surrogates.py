"""Halves of surrogate pairs, which JSON can escape and UTF-8 cannot hold."""

import re
from pathlib import Path
from typing import Final

from babelscope.errors import CorpusError

_HIGH: Final = r"\\u[dD][89abAB][0-9a-fA-F]{2}"
_LOW: Final = r"\\u[dD][c-fC-F][0-9a-fA-F]{2}"
# Escapes are read from the left: a backslash that is itself escaped begins none.
_ESCAPE: Final = re.compile(rf"{_HIGH}{_LOW}|(?P<lone>{_HIGH}|{_LOW})|\\.", re.DOTALL)


def check_surrogates(path: Path, text: str) -> None:
    """Checks that the escapes of a JSON text stand for characters.

    Args:
        path: Path of the file, for the message.
        text: The JSON.

    Raises:
        CorpusError: There is half a surrogate pair; names its line.
    """
    for match in _ESCAPE.finditer(text):
        if match["lone"]:
            line = text.count("\n", 0, match.start()) + 1
            raise CorpusError(path, line, f"Expected characters, but got half a surrogate pair, {match['lone']}")
