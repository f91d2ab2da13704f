"""Fields of a general family's config.json with wrong types and sizes, two values a field; all values are a soak's."""

import json
from pathlib import Path
from typing import Any

import pytest

from services.models.catalogue import ModelFiles
from services.models.families.known import refusal
from services.models.tokens.tokenization import Tokenizer
from services.runtime.errors import FailedPrecondition
from tests.support.general_models import build_general
from tests.support.wrong_fields import WRONG, try_fields


@pytest.mark.parametrize("family", ["deberta-v2", "mbart", "xlm"])
def test_wrong_fields_are_refused_or_harmless(family: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = build_general(family, tmp_path)
    # The tokenizer does not depend on these fields.
    loaded = Tokenizer.load(folder, "model m")
    monkeypatch.setattr(Tokenizer, "load", lambda *_: loaded)
    fields = json.loads((folder / "config.json").read_text("utf-8"))
    # Neighbouring fields get other values, so that every value is tried on some fields of each family.
    changes = [
        (field, WRONG[(place + step) % len(WRONG)]) for place, field in enumerate(sorted(fields)) for step in (0, 5)
    ]
    refused, faults = try_fields(folder, changes)
    assert not faults, "\n".join(faults)
    assert refused > len(changes) / 4


@pytest.mark.parametrize(
    ("family", "changes", "reason"),
    [
        ("deberta-v2", {"max_position_embeddings": 10**9}, "`max_position_embeddings` in config.json to be at most"),
        ("deberta-v2", {"max_relative_positions": 10**9}, "`max_relative_positions` in config.json to be at most"),
        ("mt5", {"n_positions": 10**9}, "`n_positions` in config.json to be at most 16777216, but got 1000000000"),
        ("xlm", {"lang2id": True}, "`lang2id` in config.json to be an object of languages with their rows"),
        ("xlm", {"lang2id": [["en", 1]]}, "`lang2id`"),
        ("xlm", {"lang2id": {"en": "first"}}, r"`lang2id` .* but got {'en': 'first'}"),
        ("xlm", {"lang2id": {"en": -1}}, "`lang2id`"),
    ],
)
def test_literal_refusals(tmp_path: Path, family: str, changes: dict[str, Any], reason: str) -> None:
    """Tables that no tensor of the checkpoint limits: they are refused before transformers makes them."""
    path = build_general(family, tmp_path / "m") / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text("utf-8")) | changes), "utf-8")
    with pytest.raises(FailedPrecondition, match=reason):
        ModelFiles([tmp_path]).find("m")


@pytest.mark.parametrize("changes", [{}, {"lang2id": None}, {"lang2id": {}}, {"max_position_embeddings": 1 << 24}])
def test_right_tables_are_not_refused(changes: dict[str, Any]) -> None:
    assert not refusal({"model_type": "xlm", "max_position_embeddings": 512, "lang2id": {"en": 0, "de": 1}} | changes)
