"""Every field of every family's config.json with wrong types and sizes: a refusal at load, or the model as it was."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from services.models.catalogue import ModelFiles, load_model
from services.models.families import common_refusal
from services.models.spec import ModelSpec
from services.runtime.errors import FailedPrecondition
from services.runtime.work import Stopped, watched
from tests.support.tiny_models import CONFIGURATIONS, build_model

WRONG: tuple[Any, ...] = (None, "x", -1, 0, 4.0, True, [], {}, 10**9, float("nan"))

NAMED_OTHERWISE = ("Tensors do not fit config.json", "encoder's tensors", "tensors that this family", "its family is",
                   "`pad_token_id`", "'rope_parameters'", "The hidden size", "modulo by zero")  # fmt: skip
"""Refusals that name the tensors, or the field that no longer fits the one that was changed."""


def _load(root: Path) -> None:
    load_model(ModelFiles([root]), ModelSpec("m"))


@pytest.mark.parametrize("family", CONFIGURATIONS)
def test_wrong_fields_are_refused_or_harmless(tmp_path: Path, family: str, monkeypatch: pytest.MonkeyPatch) -> None:
    path = build_model(family, tmp_path / "m") / "config.json"
    # The tokenizer does not depend on these fields, and is the slow part of a load.
    from services.models.tokens.tokenization import Tokenizer

    loaded = Tokenizer.load(path.parent, "model m")
    monkeypatch.setattr(Tokenizer, "load", lambda *_: loaded)
    right = json.loads(path.read_text())
    refused, unnamed = 0, []
    for field in right:
        for value in WRONG:
            path.write_text(json.dumps(right | {field: value}))
            try:
                _load(tmp_path)
            except FailedPrecondition as error:
                refused += 1
                if field not in error.reason and not any(other in error.reason for other in NAMED_OTHERWISE):
                    unnamed.append((field, value, error.reason))
    assert not unnamed
    assert refused > 5 * len(WRONG)


@pytest.mark.parametrize(
    ("family", "changes", "reason"),
    [
        ("bert", {"layer_norm_eps": 1}, "`?layer_norm_eps"),
        ("bert", {"num_hidden_layers": 4.0}, "num_hidden_layers"),
        (
            "bert",
            {"num_hidden_layers": 10**9},
            "`num_hidden_layers` in config.json to be a whole number within 1..1024",
        ),
        ("bert", {"hidden_act": None}, "hidden_act"),
        ("bert", {"num_attention_heads": 5}, "`hidden_size` in config.json to be a multiple of `num_attention_heads`"),
        ("bert", {"num_attention_heads": 0}, "`num_attention_heads`"),
        ("bert", {"type_vocab_size": 0}, "`type_vocab_size`"),
        ("bert", {"pad_token_id": 400}, r"`pad_token_id` in config.json within 0..399, its vocabulary, but got 400"),
        ("bert", {"max_position_embeddings": 2}, "max_position_embeddings|Tensors do not fit"),
        ("distilbert", {"n_heads": 7}, "`dim` in config.json to be a multiple of `n_heads`, 7, but got 40"),
        ("modernbert", {"num_attention_heads": 16}, "to be even, to be rotated, but got 3"),
        ("modernbert", {"local_attention": 0}, "`local_attention`"),
        ("modernbert", {"layer_types": ["full_attention"]}, "`layer_types`"),
        ("roberta", {"pad_token_id": 400}, "`pad_token_id`"),
        ("roberta", {"max_position_embeddings": 2}, "`max_position_embeddings`"),
        ("electra", {"embedding_size": 0}, "`embedding_size`"),
        ("modernbert", {"num_hidden_layers": 20_000_000}, "`num_hidden_layers` in config.json to be .* within 1..1024"),
        ("distilbert", {"n_layers": 20_000_000}, "`n_layers` in config.json to be .* within 1..1024"),
        ("distilbert", {"num_hidden_layers": 20_000_000}, "`num_hidden_layers` in config.json to be .* within 1..1024"),
        ("roberta", {"num_labels": 20_000_000}, "`num_labels` in config.json to be .* within 0..65536"),
    ],
)
def test_literal_refusals(tmp_path: Path, family: str, changes: dict[str, Any], reason: str) -> None:
    path = build_model(family, tmp_path / "m") / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))
    for call in (lambda: _load(tmp_path), lambda: ModelFiles([tmp_path]).longest_input("m")):
        with pytest.raises(FailedPrecondition, match=reason):
            call()


@pytest.mark.parametrize("field", ["num_hidden_layers", "n_layers", "num_labels"])
def test_numbers_that_transformers_counts_to_are_refused_before_it_reads_them(field: str) -> None:
    assert "to be a whole number within" in common_refusal({"model_type": "bert", field: 20_000_000})
    assert not common_refusal({"model_type": "bert", field: 12})


def _stopping_after(looks: int) -> Callable[[], None]:
    """A check that nobody waits any more after so many looks."""
    left = looks

    def check() -> None:
        nonlocal left
        left -= 1
        if left < 0:
            raise Stopped

    return check


@pytest.mark.parametrize("looks", [0, 3, 20])
def test_a_load_stops_between_tensors(tmp_path: Path, looks: int) -> None:
    """In the digest of the files, before the shapes are known, and among the numbers."""
    build_model("bert", tmp_path / "m")
    with watched(_stopping_after(looks)), pytest.raises(Stopped):
        _load(tmp_path)
    _load(tmp_path)
