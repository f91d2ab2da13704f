"""Long texts of which only a part is cut into tokens: the tokens that are kept are those of the whole text."""

import os
import random
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import AddedToken, Regex, Tokenizer, models, normalizers, pre_tokenizers, trainers

from services.models.tokens import prefixes, tokenization
from services.models.tokens.prefixes import OpenWords, safe_prefix, splits_at_spaces
from tests.support.lines import LINES
from tests.support.tiny_models import build_tokenizer
from tests.unit.services.models.tokens.test_tokenizer_file import KINDS as FILES

SPECIALS = ("<s>", "</s>", "<unk>", "<mask>", "[SEP]")


def _made(model: Any, trainer: Any, splitter: Any, normaliser: Any = None) -> Tokenizer:
    backend = Tokenizer(model)
    backend.pre_tokenizer = splitter
    if normaliser is not None:
        backend.normalizer = normaliser
    backend.train_from_iterator(LINES, trainer)
    backend.add_special_tokens([AddedToken("<mask>", lstrip=True, rstrip=True), AddedToken("[SEP]", single_word=True)])
    return backend


def _bpe(splitter: Any, normaliser: Any = None, **settings: Any) -> Tokenizer:
    trainer = trainers.BpeTrainer(
        vocab_size=500, special_tokens=list(SPECIALS), show_progress=False, initial_alphabet=["a", "\u0120", "\u2581"]
    )
    return _made(models.BPE(unk_token="<unk>", **settings), trainer, splitter, normaliser)


def _unigram(splitter: Any, normaliser: Any = None) -> Tokenizer:
    trainer = trainers.UnigramTrainer(
        vocab_size=400, special_tokens=list(SPECIALS), unk_token="<unk>", show_progress=False
    )
    return _made(models.Unigram(), trainer, splitter, normaliser)


def _sequence(*parts: Any) -> Any:
    kind = normalizers.Sequence if isinstance(parts[0], normalizers.Normalizer) else pre_tokenizers.Sequence
    return kind(list(parts))


def _parsed(make: Callable[[], Tokenizer]) -> Callable[[], Tokenizer]:
    return lambda: Tokenizer.from_str(make().to_str())


XLMR = _sequence(pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Metaspace())
KINDS: dict[str, Callable[[], Tokenizer]] = {
    "bert": lambda: build_tokenizer("bert").backend_tokenizer,
    "roberta": lambda: build_tokenizer("roberta").backend_tokenizer,
    "xlm-roberta": lambda: build_tokenizer("xlm-roberta").backend_tokenizer,
    **{f"file of {name}": _parsed(make) for name, (make, *_) in FILES.items() if name != "added tokens"},
    "byte-level with a prefix space": lambda: _bpe(pre_tokenizers.ByteLevel(add_prefix_space=True), normalizers.NFC()),
    "byte-level after digits": lambda: _bpe(_sequence(pre_tokenizers.Digits(), pre_tokenizers.ByteLevel())),
    "bpe of composed words": lambda: _bpe(
        _sequence(pre_tokenizers.Punctuation(), pre_tokenizers.Whitespace()),
        _sequence(normalizers.NFKD(), normalizers.StripAccents(), normalizers.Lowercase()),
    ),
    "unigram with double spaces": lambda: _unigram(
        XLMR, _sequence(normalizers.NFKC(), normalizers.Replace(Regex(" {2,}"), " "))
    ),
    "unigram with quotes replaced": lambda: _unigram(
        pre_tokenizers.Metaspace(), _sequence(normalizers.Replace("``", '"'), normalizers.NFKD(), normalizers.Strip())
    ),
}


def _without_splitter() -> Tokenizer:
    backend = _unigram(XLMR)
    backend.pre_tokenizer = None
    return backend


def _with_token(token: str) -> Tokenizer:
    backend = _bpe(XLMR)
    backend.add_tokens([token])
    return backend


WHOLE: dict[str, Callable[[], Tokenizer]] = {
    "metaspace that does not split": lambda: _unigram(pre_tokenizers.Metaspace(split=False)),
    "bytes without words": lambda: _bpe(pre_tokenizers.ByteLevel(use_regex=False)),
    "a splitter of its own": lambda: _bpe(pre_tokenizers.Split(Regex(r"\w+ \w+"), "isolated")),
    "a normaliser of its own": lambda: _bpe(XLMR, normalizers.Replace(Regex(r"(\w) (\w)"), "x")),
    "spaces removed": lambda: _bpe(XLMR, normalizers.Replace(" ", "")),
    "spaces written as a letter": lambda: _bpe(XLMR, normalizers.Replace(" ", "\u2581")),
    "random merges": lambda: _bpe(XLMR, dropout=0.1),
    "no splitter": _without_splitter,
    "a token of two words": lambda: _with_token("New York"),
    "a token of two words in a file": FILES["added tokens"][0],
}


PARTS = [
    *(word for line in LINES for word in line.split()[:4]),
    *SPECIALS,
    *(" ", "  ", "   ", "\n", "\t", "\u00a0", "\u3000", "\u200b", "\u2581", "``"),
    *("'s", "it's", "3.14", "½", "²", "\ufe70", "\u0d4e"),
    *("e\u0301", "\u0301", "क्षि", "\u0600", "👩\u200d👩\u200d👧", "ﬁ", "İ"),
    *("\u1100\u1161", "\x07", "a\u0308\u0323", "x" * 120),
]  # fmt: skip
GAPS = [" ", " ", " ", "", "  ", "\n"]


def _text(rng: random.Random) -> str:
    """Words and what may stand between them, in any order."""
    return "".join(rng.choice(PARTS) + rng.choice(GAPS) for _ in range(rng.randrange(10, 120)))


@pytest.fixture
def eager(monkeypatch: pytest.MonkeyPatch) -> None:
    """Texts of some words already count as long."""
    monkeypatch.setattr(tokenization, "_LEAST_CHARACTERS", 4)
    monkeypatch.setattr(tokenization, "_CHARACTERS_A_TOKEN", 1)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.usefixtures("eager")
def test_tokens_of_a_part_are_those_of_the_whole(kind: str) -> None:
    backend = KINDS[kind]()
    early, late = tokenization.Tokenizer(backend), tokenization.Tokenizer(backend)
    late._cuts_early = False
    assert early._cuts_early
    parted = 0

    @settings(max_examples=60, deadline=None)
    @given(st.integers(0, 1 << 32), st.integers(3, 40))
    def check(seed: int, limit: int) -> None:
        nonlocal parted
        texts = [_text(rng) for rng in [random.Random(seed)] * 4]
        for cut, whole in zip(early.tokenize(texts, limit), late.tokenize(texts, limit), strict=True):
            for name in ("ids", "special", "starts", "ends"):
                np.testing.assert_array_equal(getattr(cut, name), getattr(whole, name))
            assert cut.truncated == whole.truncated
            if cut.whole:
                assert cut.full_length == whole.full_length
            else:
                assert limit < cut.full_length <= whole.full_length
            parted += not cut.whole

    check()
    assert parted > 60


EXAMPLES = int(os.environ.get("SOAK_EXAMPLES", "4"))
RUNS = [
    *("市场里有很多新鲜的水果", "昨日は雨が降ったので", "เมื่อวานนี้ฝนตกหนักน้ำ", "어제시장에서사과를"),
    *("theriverroseinthenight", "ночьюрекаподнялась", "a" * 40, "ab" * 20, "aab" * 14, "1234567890" * 3),
    *("ガギグゲゴ" * 4, "ﾊﾝｶｸ" * 5, "éèüñ" * 6),
    *("e\u0301a\u0308" * 6, "क्षेत्र" * 4, "\u1112\u1161\u11ab" * 8, "½²" * 8, "ﬁﬂ" * 8, "Ⅷ㍿" * 6, "😀" * 9),
    *("_" * 20, "SEP" * 9, "masks" * 6),
]  # fmt: skip
GLUE = ["", "", "", "", "。", "'", "'re", "-", "[SEP]", "<mask>", "<s>", " ", "\u3000", "\u0301", "ำ", "```"]


def _run(rng: random.Random) -> str:
    """Long runs of letters and what may stand between them, hardly ever a space."""
    parts = [
        rng.choice(RUNS) if rng.random() < 0.7 else "".join(rng.choices(rng.choice(RUNS), k=30)) for _ in range(12)
    ]
    return "".join(part + rng.choice(GLUE) for part in parts)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.usefixtures("eager")
def test_tokens_of_a_part_within_a_word_are_those_of_the_whole(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tokenization, "safe_prefix", lambda text, least: None)
    backend = KINDS[kind]()
    early, late = tokenization.Tokenizer(backend), tokenization.Tokenizer(backend)
    late._cuts_early = False
    parted = 0

    @settings(max_examples=EXAMPLES, deadline=None)
    @given(st.integers(0, 1 << 32), st.integers(3, 40))
    def check(seed: int, limit: int) -> None:
        nonlocal parted
        texts = [_run(rng) for rng in [random.Random(seed)] * 4]
        for cut, whole in zip(early.tokenize(texts, limit), late.tokenize(texts, limit), strict=True):
            for name in ("ids", "special", "starts", "ends", "truncated"):
                np.testing.assert_array_equal(getattr(cut, name), getattr(whole, name))
            assert cut.full_length == whole.full_length if cut.whole else limit < cut.full_length <= whole.full_length
            parted += not cut.whole

    check()
    assert parted > EXAMPLES


@pytest.mark.parametrize("kind", KINDS)
def test_tokens_that_stand_fast_are_those_of_the_whole(kind: str) -> None:
    """Wherever the text goes on from."""
    backend = KINDS[kind]()
    words = OpenWords(backend)
    counts: list[tuple[int, int]] = []

    @settings(max_examples=EXAMPLES, deadline=None)
    @given(st.integers(0, 1 << 32))
    def check(seed: int) -> None:
        rng = random.Random(seed)
        text = "".join(rng.choices(rng.choice(RUNS[:12]), k=40)) + _run(rng) + rng.choice(RUNS)
        whole = backend.encode(text, add_special_tokens=False).ids
        for least in range(0, len(text), 7):
            place = words.place(text, least)
            if place is not None:
                encoding = backend.encode(text[:place])
                settled = words.settled(text[:place], encoding)
                found = [
                    one for one, special in zip(encoding.ids, encoding.special_tokens_mask, strict=True) if not special
                ]
                assert found[:settled] == whole[:settled]
                counts.append((settled, len(found)))

    check()
    if type(backend.model).__name__ in ("BPE", "Unigram"):
        assert sum(settled for settled, _ in counts) > 0.5 * sum(found for _, found in counts)
    assert len(counts) > EXAMPLES


def test_without_a_space_few_of_a_million_characters_are_looked_at() -> None:
    for kind in ("bert", "roberta", "xlm-roberta"):
        tokenizer = tokenization.Tokenizer(build_tokenizer(kind).backend_tokenizer)
        for text in ("市场里有很多新鲜的水果" * 90_000, "theriverroseinthenight。" * 45_000):
            [found] = tokenizer.tokenize([text], 256)
            assert not found.whole, kind
            assert 256 < found.full_length < 15_000
            assert len(found) == 256


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("a" * 100, 18),
        ("市场" * 30, 18),
        ("a" * 20 + "[SEP]" + "b" * 20, 31),
        ("a" * 16 + "。" + "b" * 20, 23),
        ("-" * 100, None),
        ("ا\u0651" * 40, None),
        ("กำ" * 40, None),
        ("เมื่อวานนี้ฝนตกหนัก" * 4, 19),
        ("\u1112\u1161" * 40, None),
        ("ｶﾞ" * 40, None),
    ],
)
def test_places_within_words(text: str, place: int | None) -> None:
    words = OpenWords(build_tokenizer("bert").backend_tokenizer)
    assert words.reach == 6
    assert words.place(text, 18) == place


def test_where_tokens_are_made_of_letters_no_place_within_a_word_is_safe() -> None:
    for backend in (_with_token("river"), _bpe(XLMR, normalizers.Replace("ll", "l"))):
        assert OpenWords(backend).place("a" * 100, 18) is None
    [text] = tokenization.Tokenizer(_with_token("river")).tokenize(["theriver" * 3000], 8)
    assert text.whole


@pytest.mark.parametrize("kind", WHOLE)
def test_other_tokenizers_are_given_whole_texts(kind: str) -> None:
    assert not splits_at_spaces(WHOLE[kind]())


def test_texts_cut_at_the_left_are_tokenised_whole() -> None:
    tokenizer = tokenization.Tokenizer(build_tokenizer("bert").backend_tokenizer, "left")
    [text] = tokenizer.tokenize(["the river " * 5000], 8)
    assert text.whole
    assert text.full_length == 25_002


def test_of_a_million_characters_few_are_looked_at() -> None:
    tokenizer = tokenization.Tokenizer(build_tokenizer("bert").backend_tokenizer)
    [text] = tokenizer.tokenize(["the river " * 100_000], 256)
    assert not text.whole
    assert 256 < text.full_length < 15_000
    assert len(text) == 256


def test_more_is_looked_at_where_words_have_few_tokens() -> None:
    tokenizer = tokenization.Tokenizer(build_tokenizer("bert").backend_tokenizer)
    [text] = tokenizer.tokenize([("x" * 120 + " ") * 3000], 64)  # one unknown token a word
    assert len(text) == 64
    assert not text.whole
    assert 64 < text.full_length < 160


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("abc def", 3),
        ("abc  def ghi", 8),
        ("abc! def ghi", 8),
        ("abc ", None),
        ("abcdef", None),
        ("市场里有 很多", 4),
        ("a\u0301 b c", 4),
        ("x\u0d4e b c", 4),
        ("\U000111c2 b c", 3),
        ("a\u00a0b\nc\td", None),
    ],
)
def test_safe_places(text: str, place: int | None) -> None:
    assert safe_prefix(text, 1) == place


def test_a_place_is_looked_for_nearby_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prefixes, "_SEARCHED", 10)
    assert safe_prefix("a" * 20 + " b", 5) is None
    assert safe_prefix("a" * 12 + " b", 5) == 12
