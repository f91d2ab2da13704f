"""Arrays by name in NumPy's .npz files."""

from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray


def read_npz(path: str | Path) -> dict[str, NDArray[Any]]:
    """All arrays of a .npz file.

    Raises:
        ValueError: It is no such file: empty, torn, of other content, or with pickled objects.
        OSError: The file cannot be read.
    """
    with Path(path).open("rb") as file:
        try:
            found = np.load(file, allow_pickle=False)
            return dict(found)
        except (EOFError, IndexError, TypeError, ValueError, BadZipFile) as error:
            raise ValueError(f"Expected arrays of a .npz file in {path}, but got: {error}") from None
