"""Means by layer: shards, files, and the shift between two of them."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from babelscope.calls.corpus.means import LayerMeans, shift
from babelscope.data.models import Shift

EN = LayerMeans((0, 2), np.array([[1.0, 2.0], [3.0, 4.0]]), 10, 2, 1, "digest", "vectors/" + "a" * 64)
DE = replace(EN, array=np.array([[2.0, 2.0], [4.0, 6.0]]), tokens=30, artifact="vectors/" + "b" * 64)


def test_shards_merge_by_their_tokens() -> None:
    whole = LayerMeans.merge([EN, DE])
    np.testing.assert_allclose(whole.array, [[1.75, 2.0], [3.75, 5.5]])
    assert (whole.tokens, whole.texts, whole.truncated, whole.artifact) == (40, 4, 2, "")
    for other in (replace(DE, layers=(0, 1)), replace(DE, model_digest="other")):
        with pytest.raises(ValueError, match="one model and the same layers"):
            LayerMeans.merge([EN, other])
    with pytest.raises(ValueError, match="at least one shard"):
        LayerMeans.merge([])


def test_a_file_holds_all_of_them(tmp_path: Path) -> None:
    EN.save(tmp_path / "en.npz")
    read = LayerMeans.load(tmp_path / "en.npz")
    np.testing.assert_array_equal(read.array, EN.array)
    assert (read.layers, read.tokens, read.artifact) == (EN.layers, 10, EN.artifact)
    np.savez(tmp_path / "other.npz", x=np.zeros(3))
    with pytest.raises(ValueError, match="Expected means by layer"):
        LayerMeans.load(tmp_path / "other.npz")


def test_the_shift_goes_from_the_source_to_the_target() -> None:
    edit = shift(EN, DE, 2, 1.5)
    assert edit.layer == 2
    assert isinstance(edit.shift, Shift)
    np.testing.assert_array_equal(edit.shift.vector, [1.0, 2.0])
    assert (edit.shift.alpha, edit.shift.origin) == (1.5, None)
    named = shift(EN.artifact, DE.artifact, 2).to_proto()
    assert named.shift.vector.artifact == DE.artifact
    assert named.shift.origin.artifact == EN.artifact
    with pytest.raises(ValueError, match=r"one of \[0, 2\], but got 1"):
        shift(EN, DE, 1)
    with pytest.raises(ValueError, match="one model, but they are of two"):
        shift(EN, replace(DE, model_digest="other"), 2)
