"""Vocabularies: the same whatever the order, joined with and without anchors."""

import random
from collections import Counter
from collections.abc import Sequence

import numpy as np
import pytest
from tokenizers import Tokenizer, models

from services.datagen.preparation.anchors import compare
from services.datagen.preparation.vocabulary import SPECIALS, Kind, Vocabulary, join, learn_from
from services.runtime.errors import InvalidArgument

ENGLISH = [line.split() for line in ("the bank is near the river", "the river is in Berlin", "the bank in Berlin")] * 5
GERMAN = [line.split() for line in ("die bank ist am fluss", "der fluss ist in Berlin", "die bank in Berlin")] * 5


def counted(lines: Sequence[Sequence[str]]) -> Counter[str]:
    return Counter(word for line in lines for word in line)


@pytest.mark.parametrize("kind", ["bpe", "wordpiece"])
def test_the_order_of_the_lines_does_not_matter(kind: Kind) -> None:
    lines = ENGLISH + GERMAN
    first = learn_from(counted(lines), 70, kind=kind)
    for seed in range(5):
        mixed = random.Random(seed).sample(lines, len(lines))
        assert learn_from(counted(mixed), 70, kind=kind) == first
    assert first.tokens[: len(SPECIALS)] == SPECIALS
    assert len(first.tokens) <= 70


@pytest.mark.parametrize("kind", ["bpe", "wordpiece"])
def test_pieces_spell_their_words(kind: Kind) -> None:
    vocabulary = learn_from(counted(ENGLISH), 60, kind=kind)
    for line in ENGLISH[:3]:
        pieces = [vocabulary.tokens[i] for i in vocabulary.encode(line)]
        assert "".join(pieces).replace("##", "").replace("</w>", "") == "".join(line)
    assert vocabulary.tokens[vocabulary.encode(["猫"])[0]] == "[UNK]"


@pytest.mark.parametrize("kind", ["bpe", "wordpiece"])
def test_a_vocabulary_is_read_back(kind: Kind) -> None:
    vocabulary = learn_from(counted(ENGLISH), 60, kind=kind)
    assert Vocabulary.parse(vocabulary.description) == vocabulary
    for wrong, problem in (("{", "cannot be read"), ('{"model": {"type": "BPE"}}', "cannot be read")):
        with pytest.raises(ValueError, match=problem):
            Vocabulary.parse(wrong)
    other = Tokenizer(models.WordLevel({"[UNK]": 0}, unk_token="[UNK]")).to_str()
    with pytest.raises(ValueError, match="kind bpe or wordpiece, but got 'wordlevel'"):
        Vocabulary.parse(other)


def test_joined_vocabularies_share_what_is_spelled_alike() -> None:
    parts = {"en": learn_from(counted(ENGLISH), 60), "de": learn_from(counted(GERMAN), 60)}
    joined = join(parts)
    own = [set(part.tokens) - set(SPECIALS) for part in parts.values()]
    assert joined.shared == len(own[0] & own[1]) > 0
    assert len(joined.tokens) == len(SPECIALS) + len(own[0] | own[1])
    assert joined.encode(["bank", "Berlin"], "en").tolist() == joined.encode(["bank", "Berlin"], "de").tolist()


def test_prefixed_vocabularies_share_special_tokens_alone() -> None:
    parts = {"en": learn_from(counted(ENGLISH), 60), "de": learn_from(counted(GERMAN), 60)}
    joined = join(parts, prefixed=True)
    assert joined.shared == 0
    both = set(joined.ids["en"].tolist()) & set(joined.ids["de"].tolist())
    assert both == set(range(len(SPECIALS)))
    english, german = joined.encode(["Berlin"], "en"), joined.encode(["Berlin"], "de")
    assert not np.intersect1d(english, german).size
    assert {joined.tokens[i].split(":")[0] for i in english} == {"en"}


def test_anchors_are_counted_by_type_and_by_token() -> None:
    found = compare(Counter(["a", "b", "a", "c"]), Counter(["a", "d"]))
    assert (found.left_types, found.right_types, found.shared_types) == (3, 2, 1)
    assert found.type_share == pytest.approx(1 / 4)
    assert (found.left_shared, found.right_shared) == (2, 1)
    assert found.token_share == pytest.approx(3 / 6)


def test_bad_input_is_named() -> None:
    with pytest.raises(InvalidArgument, match="at least one word"):
        learn_from(counted([]), 100)
    with pytest.raises(InvalidArgument, match="special tokens and letters"):
        learn_from(counted(ENGLISH), 6)
