"""Files of arrays: what is none is said in plain words."""

from pathlib import Path

import numpy as np
import pytest
from babelscope.data.npz import read_npz


def test_arrays_by_name(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", x=np.arange(3))
    assert {name: array.tolist() for name, array in read_npz(tmp_path / "a.npz").items()} == {"x": [0, 1, 2]}


@pytest.mark.parametrize(
    ("content", "said"), [(b"metric,value\n", "a file of another kind"), (b"", "an empty file"), (b"PK\x03\x04", "")]
)
def test_another_file(tmp_path: Path, content: bytes, said: str) -> None:
    path = tmp_path / "a.npz"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=f"Expected arrays of a .npz file in .*, but got.*{said}") as caught:
        read_npz(path)
    assert "allow_pickle" not in str(caught.value)
