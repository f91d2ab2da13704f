"""Arrays by name in NumPy's .npz files."""

from pathlib import Path
from typing import Any, Final
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

_ZIP: Final = b"PK"
"""How a .npz file begins. NumPy takes a file of any other kind for pickled objects, and advises to load them."""


def read_npz(path: str | Path) -> dict[str, NDArray[Any]]:
    """All arrays of a .npz file.

    Raises:
        ValueError: It is no such file: empty, torn, of other content, or with pickled objects.
        OSError: The file cannot be read.
    """
    with Path(path).open("rb") as file:
        if not (begin := file.read(len(_ZIP))).startswith(_ZIP):
            got = "a file of another kind" if begin else "an empty file"
            raise ValueError(f"Expected arrays of a .npz file in {path}, but got {got}")
        file.seek(0)
        try:
            found = np.load(file, allow_pickle=False)
            return dict(found)
        except (EOFError, IndexError, TypeError, ValueError, BadZipFile) as error:
            raise ValueError(f"Expected arrays of a .npz file in {path}, but got: {error}") from None
