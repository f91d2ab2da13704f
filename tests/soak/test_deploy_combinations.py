"""All pairs of the deployment's components: what one adds is what another finds."""

import itertools
from pathlib import Path

import pytest

from tests.mesh.deploy.conftest import COMPONENTS, kustomization
from tests.mesh.deploy.test_combinations import check

pytestmark = pytest.mark.soak


@pytest.mark.parametrize("pair", list(itertools.combinations(COMPONENTS, 2)), ids="-".join)
def test_a_pair_of_components(pair: tuple[str, str], tmp_path: Path) -> None:
    check(kustomization(tmp_path, pair))
