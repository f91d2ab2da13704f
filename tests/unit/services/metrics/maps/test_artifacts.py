"""Maps as objects: the same bytes for the same map, and the client reads back what was fitted."""

from pathlib import Path
from typing import Any

import babelscope
import numpy as np
import pytest
from babelscope.errors import DataCorrupted
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.numpy import load, save

from services.metrics.maps import artifacts
from services.metrics.maps.base import MapSide
from services.metrics.maps.normalisation import SCHEMES, Normalisation


def side(scheme: str, seed: int = 0, d: int = 5) -> MapSide:
    rng = np.random.default_rng(seed)
    normalisation, _ = Normalisation.fit(rng.standard_normal((30, d)) + 1, scheme)
    return MapSide(normalisation, rng.standard_normal((d, d)))


@settings(deadline=None, max_examples=25)
@given(scheme=st.sampled_from(sorted(SCHEMES)), seed=st.integers(0, 100))
def test_the_client_applies_a_map_as_the_server_does(scheme: str, seed: int) -> None:
    fitted = side(scheme, seed)
    read = babelscope.load_map(artifacts.dump(fitted, {"layer": 3, "side": "source"}))
    rows = np.random.default_rng(seed + 1).standard_normal((9, 5))
    np.testing.assert_allclose(read.transform(rows), fitted.transform(rows), rtol=0, atol=1e-12)
    np.testing.assert_allclose(
        read.transform(rows.astype(np.float32)), fitted.transform(rows.astype(np.float32)), rtol=0, atol=1e-12
    )
    assert read.about == {"layer": 3, "side": "source"}
    assert read.steps == SCHEMES[scheme]


@pytest.mark.parametrize("scheme", SCHEMES)
def test_equal_maps_have_equal_bytes(scheme: str) -> None:
    about = {"side": "source", "view": "en", "layer": 1, "signature": "map:procrustes"}
    assert len({artifacts.dump(side(scheme), dict(reversed(about.items()))) for _ in range(8)}) == 1


@pytest.mark.parametrize("scheme", SCHEMES)
def test_an_affine_side_has_a_bias_and_no_other_has(scheme: str) -> None:
    fitted = side(scheme)
    tensors = load(artifacts.dump(fitted, {}))
    assert all(tensor.dtype == np.float64 for tensor in tensors.values())
    assert ("bias" in tensors) == (scheme in {"none", "centre"}) == artifacts.is_affine(fitted)
    if "bias" in tensors:
        rows = np.random.default_rng(9).standard_normal((4, 5))
        expected = fitted.transform(rows)
        np.testing.assert_allclose(rows @ tensors["matrix"] + tensors["bias"], expected, rtol=0, atol=1e-12)


def test_one_side_into_the_other_s_own_space() -> None:
    left, right = side("centre", 1), side("centre", 2)
    source, target = (babelscope.load_map(artifacts.dump(each, {})) for each in (left, right))
    rows = np.random.default_rng(3).standard_normal((6, 5))
    edit = source.into(target)
    moved = rows @ edit.matrix + edit.bias
    np.testing.assert_allclose(right.transform(moved), left.transform(rows), rtol=0, atol=1e-9)
    alone = source.into(None, positions="non_special")
    np.testing.assert_allclose(rows @ alone.matrix + alone.bias, left.transform(rows), rtol=0, atol=1e-12)
    assert alone.positions == "non_special"
    with pytest.raises(ValueError, match="none or centre"):
        source.into(babelscope.load_map(artifacts.dump(side("unit"), {})))
    flat = MapSide(right.normalisation, np.zeros((5, 5)))
    with pytest.raises(ValueError, match="singular"):
        source.into(babelscope.load_map(artifacts.dump(flat, {})))


def test_a_side_that_stays_where_it_is() -> None:
    still = Normalisation((), np.empty((0, 3)))
    assert artifacts.is_identity(MapSide(still, np.eye(3)))
    assert not artifacts.is_identity(MapSide(still, 2 * np.eye(3)))
    assert not artifacts.is_identity(MapSide(Normalisation(("unit",), np.empty((0, 3))), np.eye(3)))


def test_a_map_is_read_from_a_file(tmp_path: Path) -> None:
    path = tmp_path / "map.safetensors"
    path.write_bytes(artifacts.dump(side("iterative"), {}))
    assert np.array_equal(babelscope.load_map(path).matrix, babelscope.load_map(str(path)).matrix)


def wrong(about: str = '{"format": 1, "steps": []}', **tensors: Any) -> bytes:
    return save(tensors, {"about": about})


BROKEN = {
    "nothing": b"",
    "cut short": artifacts.dump(side("iterative"), {})[:-9],
    "no safetensors": b"PK\x03\x04" + b"x" * 100,
    "no metadata": save({"matrix": np.eye(3)}),
    "another format": wrong('{"format": 2, "steps": []}', matrix=np.eye(3)),
    "no matrix": wrong(other=np.eye(3)),
    "means that lack": wrong('{"format": 1, "steps": ["centre"]}', matrix=np.eye(3)),
    "an unknown step": wrong('{"format": 1, "steps": ["whiten"]}', matrix=np.eye(3)),
    "a type that is none": wrong(matrix=np.eye(3, dtype=np.int64)),
}


@pytest.mark.parametrize("case", BROKEN)
def test_what_is_no_map_is_refused(case: str) -> None:
    with pytest.raises(DataCorrupted):
        babelscope.load_map(BROKEN[case])


def test_rows_that_do_not_fit_are_refused() -> None:
    read = babelscope.load_map(artifacts.dump(side("unit"), {}))
    with pytest.raises(ValueError, match=r"\[k, 5\], but got \[2, 4\]"):
        read.transform(np.ones((2, 4)))
    with pytest.raises(ValueError, match="row 1 of 2 is"):
        read.transform(np.stack([np.ones(5), np.zeros(5)]))
