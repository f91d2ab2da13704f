"""Every field of a general family's config.json with wrong types and sizes: refused at load, or texts are encoded."""

import json
from itertools import product
from pathlib import Path

import pytest

from services.models.tokens.tokenization import Tokenizer
from tests.support.general_models import GENERAL, build_general
from tests.support.wrong_fields import WRONG, try_fields

pytestmark = [pytest.mark.soak, pytest.mark.timeout(1800)]


@pytest.mark.parametrize("family", GENERAL)
def test_wrong_fields_are_refused_or_harmless(family: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = build_general(family, tmp_path)
    # The tokenizer does not depend on these fields, and is the slow part of a load.
    loaded = Tokenizer.load(folder, "model m")
    monkeypatch.setattr(Tokenizer, "load", lambda *_: loaded)
    fields = json.loads((folder / "config.json").read_text("utf-8"))
    refused, faults = try_fields(folder, product(fields, WRONG))
    assert not faults, "\n".join(faults)
    assert refused > 5 * len(WRONG)
