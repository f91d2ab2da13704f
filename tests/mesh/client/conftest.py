"""A local mesh of real servers with small real models."""

from collections.abc import Iterator
from pathlib import Path

import babelscope
import pytest
from babelscope.local.supervision import RestartPolicy

from tests.support.models import make_root

OFFLINE = {"BABELSCOPE_HUB": "false"}


@pytest.fixture(scope="session")
def model_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A root with the models `tiny` and `other`."""
    return make_root(tmp_path_factory.mktemp("models"))


@pytest.fixture(scope="session")
def mesh(model_root: Path) -> Iterator[babelscope.LocalMesh]:
    """An encoder and a metrics server that no test kills."""
    with babelscope.local(model_roots=[model_root], env=OFFLINE) as mesh:
        yield mesh


@pytest.fixture(scope="module")
def mortal(model_root: Path) -> Iterator[babelscope.LocalMesh]:
    """An encoder that is started again when it dies."""
    policy = RestartPolicy(limit=100, initial=0.1, maximum=0.1)
    with babelscope.local(("encoder",), model_roots=[model_root], env=OFFLINE, restart=policy) as mesh:
        yield mesh


@pytest.fixture
def fragile(mortal: babelscope.LocalMesh) -> babelscope.LocalMesh:
    """An encoder that tests may kill, and that has come back from the test before."""
    mortal.encoder.get_model("tiny")
    return mortal
