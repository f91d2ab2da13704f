"""The tests' own small models have the same vocabularies in each run, so that a test that fails fails again."""

import hashlib
import json

import pytest

from tests.support.tiny_models import build_tokenizer


@pytest.mark.parametrize(
    ("family", "digest"),
    [("bert", "274afb63f939a245"), ("roberta", "f040f51b297aa1f4"), ("xlm-roberta", "5f565e8732b12e4c")],
)
def test_vocabularies_are_the_same_in_each_process(family: str, digest: str) -> None:
    pieces = sorted(build_tokenizer(family).get_vocab().items(), key=lambda piece: piece[1])
    assert hashlib.sha256(json.dumps(pieces).encode()).hexdigest()[:16] == digest
