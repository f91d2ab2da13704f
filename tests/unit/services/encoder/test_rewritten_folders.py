"""Model folders that are written over while they are served: base and variants always come from the same files."""

import json
import os
import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from services.encoder.loading import load_engine
from services.encoder.registry import Registry
from services.models.catalogue import ModelFiles
from services.models.spec import EncodePlan, ModelSpec, Reinit
from tests.support.lines import LINES
from tests.support.tiny_models import build_model

BASE, VARIANT = ModelSpec("m"), ModelSpec("m", reinit=(Reinit((4,), seed=3),))
WEIGHTS = "model.safetensors"


@pytest.fixture(scope="module")
def builds(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Two models of one shape, with other weights."""
    return [build_model("bert", tmp_path_factory.mktemp("builds") / f"{seed}", seed=seed) for seed in (1, 2)]


@pytest.fixture
def folder(builds: list[Path], tmp_path: Path) -> Path:
    return Path(shutil.copytree(builds[0], tmp_path / "root" / "m"))


@pytest.fixture
async def registry(folder: Path) -> AsyncIterator[Registry]:
    files = ModelFiles([folder.parent])
    made = Registry(files, lambda spec: load_engine(files, spec, threads=1, cached=True), max_models=4, wait_seconds=20)
    yield made
    await made.close()


def _states(engine: Any) -> Any:
    """Hidden states of layers 0 to 3: those that the variant shares with its base."""
    return engine.encode(engine.tokenize(LINES[:2]), EncodePlan((0, 1, 2, 3)))


async def _leased(registry: Registry, spec: ModelSpec) -> tuple[Any, str]:
    async with registry.lease(spec) as engine:
        return _states(engine), engine.info.digest


def _over(source: Path, target: Path) -> None:
    """Writes into the file that is there, and sets its time back."""
    before = target.stat()
    target.write_bytes(source.read_bytes())
    os.utime(target, ns=(before.st_atime_ns, before.st_mtime_ns))


def _renamed(source: Path, target: Path) -> None:
    """Puts another file in its place, of the same size and time."""
    before, new = target.stat(), target.with_name("new")
    shutil.copy(source, new)
    os.utime(new, ns=(before.st_atime_ns, before.st_mtime_ns))
    new.replace(target)


@pytest.mark.parametrize("write", [_over, _renamed])
async def test_base_and_variants_come_from_the_same_files(
    registry: Registry, folder: Path, builds: list[Path], write: Any
) -> None:
    old_base, old_variant = await _leased(registry, BASE), await _leased(registry, VARIANT)
    np.testing.assert_array_equal(old_base[0], old_variant[0])
    async with registry.lease(BASE) as held:
        assert (folder / WEIGHTS).stat().st_size == (builds[1] / WEIGHTS).stat().st_size
        write(builds[1] / WEIGHTS, folder / WEIGHTS)
        # The variant is asked for first, while its old base is in use: it takes nothing from that.
        new_variant, new_base = await _leased(registry, VARIANT), await _leased(registry, BASE)
        np.testing.assert_array_equal(_states(held), old_base[0])
    np.testing.assert_array_equal(new_base[0], new_variant[0])
    assert not np.allclose(new_base[0], old_base[0])
    assert len({old_base[1], old_variant[1], new_base[1], new_variant[1]}) == 4
    fresh = ModelFiles([folder.parent])
    for spec, (states, digest) in ((BASE, new_base), (VARIANT, new_variant)):
        engine = load_engine(fresh, spec, threads=1)
        assert engine.info.digest == digest
        np.testing.assert_array_equal(_states(engine), states)
        engine.close()


async def test_files_that_are_the_same_again_are_no_other_model(
    registry: Registry, folder: Path, builds: list[Path]
) -> None:
    before = await _leased(registry, BASE)
    _renamed(builds[0] / WEIGHTS, folder / WEIGHTS)
    after = await _leased(registry, BASE)
    assert after[1] == before[1]
    np.testing.assert_array_equal(after[0], before[0])


async def test_a_new_tokenizer_or_configuration_is_noticed(registry: Registry, folder: Path) -> None:
    digests = [(await _leased(registry, VARIANT))[1]]
    for name, change in (
        ("tokenizer.json", lambda old: old["normalizer"].update(lowercase=False)),
        ("config.json", lambda old: old.update(layer_norm_eps=1e-3)),
    ):
        content = json.loads((folder / name).read_text())
        change(content)
        (folder / name).write_text(json.dumps(content))
        digests.append((await _leased(registry, VARIANT))[1])
    assert len(set(digests)) == 3
