from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save

from services.models.artifacts import read_array, write_array, write_layers
from services.models.spec import ArrayOrigin
from services.runtime.errors import DataLoss, FailedPrecondition, InvalidArgument, NotFound
from services.runtime.files.store import Store

ARRAY = np.arange(4, dtype=np.float32)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(str(tmp_path / "store"))


def test_a_single_tensor_is_read_whatever_its_name(store: Store) -> None:
    for suffix in ("", ".safetensors"):
        name = store.put("vectors", save({"shift": ARRAY}), suffix=suffix)
        np.testing.assert_array_equal(read_array(store, name, "vector", "f").array, ARRAY)


def test_one_of_several_is_read_by_its_role(store: Store) -> None:
    name = store.put("maps", save({"matrix": np.eye(4, dtype=np.float32), "bias": ARRAY}))
    np.testing.assert_array_equal(read_array(store, name, "bias", "f").array, ARRAY)
    np.testing.assert_array_equal(read_array(store, name, "matrix", "f").array, np.eye(4))
    with pytest.raises(FailedPrecondition, match="Expected one tensor, or one called 'vector', but got bias, matrix"):
        read_array(store, name, "vector", "f")


@pytest.mark.parametrize(
    ("about", "expected"),
    [
        ({"digest": "ab", "model": "m", "tokens": 5}, ("ab", "m")),
        ({"digest": "ab"}, ("ab", "")),
        ({"digest": 7, "model": None}, ("", "")),
        ({}, ("", "")),
    ],
)
def test_an_array_says_which_model_it_was_computed_with(
    store: Store, about: dict[str, Any], expected: tuple[str, str]
) -> None:
    found = read_array(store, write_layers(store, np.ones((1, 4)), (2,), about), "vector", "f", 2)
    assert (found.digest, found.model) == expected


def test_a_written_array_keeps_its_model(store: Store) -> None:
    origin = ArrayOrigin("shift.vector", "ab" * 32, "some/model")
    found = read_array(store, write_array(store, ARRAY, "vector", origin), "vector", "f")
    assert (found.digest, found.model) == (origin.digest, origin.model)
    plain = read_array(store, write_array(store, ARRAY, "vector"), "vector", "f")
    assert (plain.digest, plain.model) == ("", "")


def test_what_says_nonsense_of_itself_is_refused(store: Store) -> None:
    name = store.put("vectors", save({"vector": ARRAY}, {"about": "{"}))
    with pytest.raises(FailedPrecondition, match="Expected a safetensors file"):
        read_array(store, name, "vector", "f")


def test_of_vectors_by_layer_that_of_the_layer_is_read(store: Store) -> None:
    vectors = np.arange(12, dtype=np.float64).reshape(3, 4)
    name = write_layers(store, vectors, (0, 7, 3), {"model": "m", "tokens": 5})
    assert name == write_layers(store, vectors, (0, 7, 3), {"tokens": 5, "model": "m"})
    np.testing.assert_array_equal(read_array(store, name, "vector", "f", 7).array, vectors[1])
    np.testing.assert_array_equal(read_array(store, name, "bias", "f", 3).array, vectors[2])
    with pytest.raises(InvalidArgument, match=r"f: Expected a layer of vectors/.*, one of \[0, 7, 3\], but got 1"):
        read_array(store, name, "vector", "f", 1)


@pytest.mark.parametrize("name", ["", "vectors/../x", "datasets/" + "0" * 64, "/etc/passwd", "vectors/" + "0" * 63])
def test_other_names_are_refused(store: Store, name: str) -> None:
    with pytest.raises(InvalidArgument, match="f: Expected a name of the form vectors/SHA-256 or maps/SHA-256"):
        read_array(store, name, "vector", "f")


def test_what_is_not_there_is_not_found(store: Store) -> None:
    with pytest.raises(NotFound):
        read_array(store, "vectors/" + "0" * 64, "vector", "f")


def test_what_is_no_safetensors_file_is_refused(store: Store) -> None:
    name = store.put("vectors", b"garbage")
    with pytest.raises(FailedPrecondition, match="Expected a safetensors file"):
        read_array(store, name, "vector", "f")


def test_a_damaged_object_is_never_used(store: Store, tmp_path: Path) -> None:
    name = store.put("vectors", save({"shift": ARRAY}))
    (path,) = [path for path in (tmp_path / "store" / "vectors").rglob("*") if path.is_file()]
    path.chmod(0o644)
    path.write_bytes(save({"shift": ARRAY + 1}))
    with pytest.raises(DataLoss):
        read_array(store, name, "vector", "f")
