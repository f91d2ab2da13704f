"""Every field of a general family's config.json with wrong types and sizes: refused at load, or texts are encoded."""

import json
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from services.encoder.engine import Engine
from services.encoder.loading import load_engine
from services.models.catalogue import ModelFiles
from services.models.spec import EncodePlan, ModelSpec
from services.models.tokenization import Tokenizer
from services.runtime.errors import FailedPrecondition
from tests.support.general_models import GENERAL, build_general

WRONG: tuple[Any, ...] = (None, "x", -1, 0, 4.0, True, [], {}, 10**9, float("nan"))

pytestmark = [pytest.mark.soak, pytest.mark.timeout(1800)]


def _encodes(engine: Engine) -> bool:
    """Whether two texts have finite hidden states."""
    languages = ["en_XX" if "en_XX" in engine.info.languages else "en"] * 2
    batch = engine.tokenize(["the river", "a"], languages=languages if engine.info.languages else None)
    found = engine.encode(batch, EncodePlan((0, engine.info.layers)))
    return all(bool(np.isfinite(rows).all()) for rows in found)


@pytest.mark.parametrize("family", GENERAL)
def test_wrong_fields_are_refused_or_harmless(family: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = build_general(family, tmp_path) / "config.json"
    # The tokenizer does not depend on these fields, and is the slow part of a load.
    loaded = Tokenizer.load(path.parent, "model m")
    monkeypatch.setattr(Tokenizer, "load", lambda *_: loaded)
    right = json.loads(path.read_text())
    refused, faults = 0, []
    for field in right:
        for value in WRONG:
            path.write_text(json.dumps(right | {field: value}))
            try:
                with closing(load_engine(ModelFiles(aliases={"m": tmp_path}), ModelSpec("m"), threads=1)) as engine:
                    if not _encodes(engine):
                        faults.append((field, value, "hidden states that are not finite"))
            except FailedPrecondition:
                refused += 1
            except Exception as error:
                faults.append((field, value, repr(error)[:300]))
    assert not faults, "\n".join(map(str, faults))
    assert refused > 5 * len(WRONG)
