"""Fields of a general family's config.json with wrong types and sizes, two values a field; all values are a soak's."""

import json
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from torch import nn
from transformers import XmodConfig

from services.encoder.loading import load_engine
from services.models.catalogue import ModelFiles
from services.models.families.known import refusal
from services.models.general import bounds
from services.models.general.modules import outline
from services.models.spec import ModelSpec
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
        ("albert", {"inner_group_num": 10**9}, "`inner_group_num` in config.json to be a whole number within 1..1024"),
        ("albert", {"num_hidden_groups": 10**9}, "`num_hidden_groups` in config.json to be a whole number"),
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


@pytest.mark.parametrize("family", ["albert", "xmod"])
def test_counts_that_are_right_alone_do_not_make_modules_without_end(
    family: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Layers times blocks, or layers times languages: each count is one that a model may have, their product is not."""
    path = build_general(family, tmp_path / "m") / "config.json"
    changes: dict[str, Any] = {
        "albert": {"num_hidden_groups": 900, "num_hidden_layers": 900, "inner_group_num": 900},
        "xmod": {"languages": [f"{place:06}" for place in range(100_000)]},
    }[family]
    path.write_text(json.dumps(json.loads(path.read_text("utf-8")) | changes), "utf-8")
    # Fewer than in service, for the time that they take.
    monkeypatch.setattr(bounds, "MOST_MODULES", 400)
    with (
        pytest.raises(FailedPrecondition, match="more than 400 modules"),
        closing(load_engine(ModelFiles([tmp_path]), ModelSpec("m"), threads=1)),
    ):
        pass


def test_the_modules_of_published_encoders_are_not_too_many() -> None:
    """X-MOD's have the most: 24 layers with an adapter for each of 81 languages."""
    config = XmodConfig(num_hidden_layers=24, hidden_size=8, num_attention_heads=2, intermediate_size=8, vocab_size=8)
    config.languages = [f"l{place}" for place in range(81)]
    made = outline(config, "model m")
    assert sum(1 for _ in made.modules()) < bounds.MOST_MODULES / 2


def test_modules_that_another_thread_makes_are_not_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bounds, "MOST_MODULES", 1)
    with bounds.bounded_modules(), ThreadPoolExecutor(1) as pool:
        assert len(pool.submit(lambda: nn.Sequential(nn.Identity(), nn.Identity())).result()) == 2
        with pytest.raises(bounds.TooManyModules, match="more than 1 modules"):
            nn.Sequential(nn.Identity(), nn.Identity())
    assert len(nn.Sequential(nn.Identity(), nn.Identity())) == 2


@pytest.mark.parametrize("changes", [{}, {"lang2id": None}, {"lang2id": {}}, {"max_position_embeddings": 1 << 24}])
def test_right_tables_are_not_refused(changes: dict[str, Any]) -> None:
    assert not refusal({"model_type": "xlm", "max_position_embeddings": 512, "lang2id": {"en": 0, "de": 1}} | changes)
