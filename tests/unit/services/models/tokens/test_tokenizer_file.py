"""Tokens are those of tokenizer.json, whatever transformers makes of the class that the folder names."""

import json
import logging
import unicodedata
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tokenizers import AddedToken, Tokenizer, models, normalizers, pre_tokenizers, processors, trainers

from services.models.tokens import tokenization
from services.models.tokens.tokenizer_file import PROBES, read_tokenizer
from services.runtime.errors import FailedPrecondition
from tests.support.lines import LINES
from tests.support.tiny_models import mixed_texts, name_class

BERT = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
ROBERTA = ("<s>", "<pad>", "</s>", "<unk>", "<mask>")


def _around(tokenizer: Tokenizer, first: str, last: str) -> Tokenizer:
    ids = [(token, tokenizer.token_to_id(token)) for token in (first, last)]
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{first} $A {last}", pair=f"{first} $A {last} $B:1 {last}:1", special_tokens=ids
    )
    return tokenizer


def wordpiece(
    normalizer: Any, specials: tuple[str, ...] = BERT, first: str = "[CLS]", last: str = "[SEP]"
) -> Tokenizer:
    unknown = next(token for token in specials if "unk" in token.lower())
    tokenizer = Tokenizer(models.WordPiece(unk_token=unknown))
    tokenizer.normalizer = normalizer
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    trainer = trainers.WordPieceTrainer(vocab_size=400, special_tokens=list(specials), show_progress=False)
    tokenizer.train_from_iterator(LINES, trainer)
    return _around(tokenizer, first, last)


def byte_level(normalizer: Any = None, *, prefix_space: bool = False) -> Tokenizer:
    tokenizer = Tokenizer(models.BPE())
    if normalizer is not None:
        tokenizer.normalizer = normalizer
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=prefix_space)
    trainer = trainers.BpeTrainer(
        vocab_size=400,
        special_tokens=list(ROBERTA),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(LINES, trainer)
    tokenizer.add_special_tokens([AddedToken("<mask>", lstrip=True)])
    tokenizer.post_processor = processors.RobertaProcessing(
        ("</s>", tokenizer.token_to_id("</s>")), ("<s>", tokenizer.token_to_id("<s>")), add_prefix_space=prefix_space
    )
    return tokenizer


def unigram(unknown: int) -> Tokenizer:
    """SentencePiece's kind, with the unknown token at the front (its own default) or at XLM-R's place."""
    specials = ("<unk>", "<s>", "<pad>", "</s>") if unknown == 0 else ("<s>", "<pad>", "</s>", "<unk>")
    letters = sorted({letter for line in LINES[:4] for letter in line if not letter.isspace()})
    pieces = [*((token, 0.0) for token in specials), ("▁", -3.0), ("▁the", -4.0), ("ing", -5.0)]
    tokenizer = Tokenizer(models.Unigram([*pieces, *((letter, -8.0) for letter in letters)], unknown))
    tokenizer.normalizer = normalizers.NFKC()
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Metaspace()])
    tokenizer.add_special_tokens(list(specials))
    return _around(tokenizer, "<s>", "</s>")


def _with_added() -> Tokenizer:
    tokenizer = wordpiece(normalizers.BertNormalizer(lowercase=False))
    tokenizer.add_tokens(
        [AddedToken("Đường phố"), AddedToken("river", single_word=True), AddedToken("2026", rstrip=True)]
    )
    return tokenizer


KINDS: dict[str, tuple[Callable[[], Tokenizer], str, str]] = {
    "bert uncased": (lambda: wordpiece(normalizers.BertNormalizer(lowercase=True)), "BertTokenizer", "bert"),
    "bert cased": (lambda: wordpiece(normalizers.BertNormalizer(lowercase=False)), "BertTokenizer", "bert"),
    "bert with accents": (
        lambda: wordpiece(normalizers.BertNormalizer(lowercase=True, strip_accents=False)), "BertTokenizerFast", "bert",
    ),
    "electra, chinese unsplit": (
        lambda: wordpiece(normalizers.BertNormalizer(handle_chinese_chars=False)), "ElectraTokenizer", "electra",
    ),
    "camembert v2": (
        lambda: wordpiece(normalizers.NFC(), ROBERTA, "<s>", "</s>"), "RobertaTokenizerFast", "roberta",
    ),
    "wordpiece nfd strip": (
        lambda: wordpiece(
            normalizers.Sequence([normalizers.NFD(), normalizers.Lowercase(), normalizers.StripAccents()])
        ),
        "DistilBertTokenizerFast", "distilbert",
    ),
    "wordpiece nfkc": (lambda: wordpiece(normalizers.NFKC()), "BertTokenizer", "bert"),
    "added tokens": (_with_added, "BertTokenizer", "bert"),
    "roberta": (byte_level, "RobertaTokenizer", "roberta"),
    "roberta prefixed": (lambda: byte_level(prefix_space=True), "RobertaTokenizerFast", "roberta"),
    "roberta lowered": (lambda: byte_level(normalizers.Lowercase()), "RobertaTokenizerFast", "roberta"),
    "modernbert": (lambda: byte_level(normalizers.NFC()), "PreTrainedTokenizerFast", "modernbert"),
    "xlm-r unk 3": (lambda: unigram(3), "XLMRobertaTokenizer", "xlm-roberta"),
    "xlm-r unk 0": (lambda: unigram(0), "XLMRobertaTokenizerFast", "xlm-roberta"),
    "camembert": (lambda: unigram(3), "CamembertTokenizer", "camembert"),
}  # fmt: skip


def write(folder: Path, kind: str) -> Path:
    """A folder as people publish them: the file, the class's name, the model type."""
    build, cls, family = KINDS[kind]
    build().save(str(folder / "tokenizer.json"))
    name_class(folder, cls)
    (folder / "config.json").write_text(json.dumps({"model_type": family}))
    return folder


@pytest.mark.parametrize("kind", KINDS)
def test_tokens_are_those_of_the_file(tmp_path: Path, kind: str) -> None:
    folder = write(tmp_path, kind)
    texts = [*PROBES, *LINES, *mixed_texts(20), "a <mask> b [MASK] <unk> [UNK] river2026 Đường phố", " river "]
    expected = Tokenizer.from_file(str(folder / "tokenizer.json")).encode_batch(texts)
    served = tokenization.Tokenizer.load(folder, "model m").tokenize(texts, 10_000)
    for theirs, ours in zip(expected, served, strict=True):
        assert ours.ids.tolist() == theirs.ids
        assert list(zip(ours.starts.tolist(), ours.ends.tolist(), strict=True)) == theirs.offsets


@pytest.mark.parametrize(
    ("kind", "text", "tokens"),
    [
        ("xlm-r unk 0", "昨", ["<s>", "▁", "<unk>", "</s>"]),
        ("xlm-r unk 3", "昨", ["<s>", "▁", "<unk>", "</s>"]),
    ],
)
def test_literal_tokens(tmp_path: Path, kind: str, text: str, tokens: list[str]) -> None:
    tokenizer = tokenization.Tokenizer.load(write(tmp_path, kind), "model m")
    [got] = tokenizer.tokenize([text], 100)
    assert tokenizer.pieces(got.ids.tolist()) == tokens


@pytest.mark.parametrize(
    ("cls", "specials", "expected"),
    [
        ("RobertaTokenizerFast", ROBERTA, ["<s>", "r", "##i", "##v", "##er", "River", "<unk>", "</s>"]),
        ("BertTokenizer", BERT, ["[CLS]", "r", "##i", "##v", "##er", "River", "[UNK]", "[SEP]"]),
    ],
)
def test_a_cased_wordpiece_file_under_any_class(
    tmp_path: Path, cls: str, specials: tuple[str, ...], expected: list[str]
) -> None:
    """CamemBERT v2's kind, and a cased BERT whose settings do not say that it is cased."""
    words = [*specials, "r", "##i", "##v", "##er", "River", "e", "i", "v"]
    unknown, first, last = expected[-2], expected[0], expected[-1]
    tokenizer = Tokenizer(models.WordPiece({word: place for place, word in enumerate(words)}, unk_token=unknown))
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    _around(tokenizer, first, last).save(str(tmp_path / "tokenizer.json"))
    name_class(tmp_path, cls)
    (tmp_path / "config.json").write_text(
        '{"model_type": "roberta"}' if specials is ROBERTA else '{"model_type": "bert"}'
    )
    loaded = tokenization.Tokenizer.load(tmp_path, "model m")
    [got] = loaded.tokenize(["river River RIVER"], 100)
    assert loaded.pieces(got.ids.tolist()) == expected


@pytest.mark.parametrize("where", ["added_tokens.json", "tokenizer_config.json"])
def test_tokens_that_other_files_add(tmp_path: Path, where: str) -> None:
    """Saved by a slow tokenizer beside the file of its base; the model's table has rows for them."""
    folder = write(tmp_path, "bert cased")
    plain = Tokenizer.from_file(str(folder / "tokenizer.json"))
    size = plain.get_vocab_size()
    settings = json.loads((folder / "tokenizer_config.json").read_text())
    if where == "added_tokens.json":
        (folder / where).write_text(json.dumps({"<e1>": size, "<e2>": size + 1, "<e3>": size + 2}))
    else:
        added = {size + n: {"content": f"<e{n + 1}>", "special": True} for n in range(3)}
        (folder / where).write_text(json.dumps(settings | {"added_tokens_decoder": added}))
    (folder / "config.json").write_text(json.dumps({"model_type": "bert", "vocab_size": size + 2}))
    found = read_tokenizer(folder, "model m")
    ids = found.backend.encode("<e1> a <e2>b <e3>", add_special_tokens=False).ids
    assert ids[0] == size
    assert ids.count(size + 1) == 1
    assert max(ids) == size + 1  # the table has no row for the third
    assert found.difference
    assert found.notes[0].endswith("which are served: <e1>, <e2>")
    assert found.backend.encode("a river").ids == plain.encode("a river").ids


@pytest.mark.parametrize(
    ("settings", "words", "expected"),
    [
        ({}, ["River", "river"], ["River", "river"]),
        ({"do_lower_case": True}, ["River", "river"], ["river", "river"]),
        ({"do_lower_case": False}, ["River", "river"], ["River", "river"]),
        ({}, ["rivers", "river"], ["river", "river"]),
    ],
)
@pytest.mark.parametrize("family", ["bert", "distilbert", "electra"])
def test_case_where_there_is_only_a_vocabulary(
    tmp_path: Path, family: str, settings: dict[str, bool], words: list[str], expected: list[str]
) -> None:
    (tmp_path / "vocab.txt").write_text("\n".join([*BERT, *words]) + "\n")
    (tmp_path / "config.json").write_text(json.dumps({"model_type": family}))
    (tmp_path / "tokenizer_config.json").write_text(json.dumps(settings))
    found = read_tokenizer(tmp_path, "model m")
    assert found.backend.encode("River river", add_special_tokens=False).tokens == expected
    kept = expected[0] == "River" and not settings
    assert [note.endswith("texts keep their case") for note in found.notes[1:]] == [True] * kept
    assert bool(found.difference) is kept


def test_a_difference_is_said_and_digested(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    folder = write(tmp_path, "camembert v2")
    found = read_tokenizer(folder, "model m")
    assert found.difference
    assert "the tokens served are those of tokenizer.json" in found.notes[0]
    with caplog.at_level(logging.WARNING):
        tokenization.Tokenizer.load(folder, "model m")
    assert [record.note for record in caplog.records if hasattr(record, "note")] == list(found.notes)


def test_without_a_difference_nothing_is_said(tmp_path: Path) -> None:
    found = read_tokenizer(write(tmp_path, "bert uncased"), "model m")
    assert (found.difference, found.notes) == ("", ())


@pytest.mark.parametrize(
    ("kind", "around"),
    [
        ("bert cased", ["[CLS]", "[SEP]"]),
        ("camembert v2", ["<s>", "</s>"]),
        ("roberta", ["<s>", "</s>"]),
        ("xlm-r unk 3", ["<s>", "</s>"]),
        ("xlm-r unk 0", ["<s>", "</s>"]),
        ("modernbert", []),
    ],
)
def test_a_file_without_a_post_processor(tmp_path: Path, kind: str, around: list[str]) -> None:
    """The class's special tokens, where the file has them under the same ids; ModernBERT's class has none."""
    folder = write(tmp_path, kind)
    path = folder / "tokenizer.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"post_processor": None}))
    tokenizer = tokenization.Tokenizer.load(folder, "model m")
    [empty] = tokenizer.tokenize([""], 100)
    assert tokenizer.pieces(empty.ids.tolist()) == around
    assert empty.special.all()


def test_a_class_that_transformers_does_not_know(tmp_path: Path) -> None:
    folder = write(tmp_path, "bert cased")
    name_class(folder, "NoSuchTokenizer")
    assert tokenization.Tokenizer.load(folder, "model m").special_count == 2


def test_sides_of_truncation(tmp_path: Path) -> None:
    folder = write(tmp_path, "bert cased")
    settings = folder / "tokenizer_config.json"
    before = json.loads(settings.read_text())
    settings.write_text(json.dumps(before | {"truncation_side": "left"}))
    assert read_tokenizer(folder, "model m").truncation_side == "left"
    settings.write_text(json.dumps(before | {"truncation_side": 5}))
    with pytest.raises(FailedPrecondition, match=r"`truncation_side` in tokenizer_config\.json"):
        read_tokenizer(folder, "model m")


CLS = {"pad_piece": "[PAD]", "bos_piece": "[CLS]", "eos_piece": "[SEP]", "unk_piece": "[UNK]"}
CONTROL = {"pad_id": 0, "bos_id": 1, "eos_id": 2, "unk_id": 3}
MARKS = {"bos_id": -1, "eos_id": -1, "user_defined_symbols": ["[CLS]", "[SEP]", "[MASK]"]}
ALBERT = MARKS | {"pad_id": 0, "unk_id": 1, "pad_piece": "<pad>"}
BIG_BIRD = MARKS | {"pad_id": 0, "eos_id": 1, "bos_id": 2, "unk_id": 3}
MAPPED, SPACES, ACCENTS = "map of characters", "keeps spaces", "vowel signs"


def _of_albert(text: str) -> str:
    """The text as ALBERT's published `preprocess_text` makes it, with the settings of all its models."""
    joined = " ".join(text.strip().split()).replace("``", '"').replace("''", '"')
    decomposed = unicodedata.normalize("NFKD", joined)
    return "".join(char for char in decomposed if not unicodedata.combining(char)).lower()


@pytest.mark.parametrize(
    ("cls", "family", "name", "said", "settings"),
    [
        ("XLMRobertaTokenizer", "xlm-roberta", "sentencepiece.bpe.model", [], {}),
        ("CamembertTokenizer", "camembert", "sentencepiece.bpe.model", [], {}),
        ("T5Tokenizer", "mt5", "spiece.model", [], {"pad_id": 0, "eos_id": 1, "unk_id": 2, "bos_id": -1}),
        ("MBartTokenizer", "mbart", "sentencepiece.bpe.model", [MAPPED], {}),
        ("DebertaV2Tokenizer", "deberta-v2", "spm.model", [MAPPED], CONTROL | CLS),
        ("AlbertTokenizer", "albert", "spiece.model", [ACCENTS], ALBERT),
        ("RemBertTokenizer", "rembert", "sentencepiece.model", [SPACES], ALBERT),
        ("BigBirdTokenizer", "big_bird", "spiece.model", [MAPPED, SPACES], BIG_BIRD),
    ],
)
def test_tokens_without_the_file_are_those_of_sentencepiece(
    tmp_path: Path, cls: str, family: str, name: str, *, said: list[str], settings: dict[str, Any]
) -> None:
    """Letters of full width, ligatures, composed accents, odd spaces and vowel signs too, where classes differ."""
    sentencepiece = pytest.importorskip("sentencepiece")
    prepare = _of_albert if family == "albert" else str
    with (tmp_path / name).open("wb") as file:
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=iter([prepare(line) for line in (*LINES, *PROBES)]), model_writer=file, vocab_size=400,
            hard_vocab_limit=False, character_coverage=1.0, minloglevel=2, **settings,
        )  # fmt: skip
    name_class(tmp_path, cls)
    (tmp_path / "config.json").write_text(json.dumps({"model_type": family}))
    found = read_tokenizer(tmp_path, "model m")
    notes = found.notes[1:]
    assert len(notes) == len(said), notes
    assert all(part in note for part, note in zip(said, notes, strict=True))
    assert bool(found.difference) == bool(said)
    reference = sentencepiece.SentencePieceProcessor(model_file=str(tmp_path / name))
    for text in (*PROBES, " ", "", "a\u2003\u2003b ", "\u0e33\u0e19\u0e49\u0e33 \u0915\u094d\u0937\u0947"):
        expected = reference.encode(prepare(text), out_type=str)
        assert found.backend.encode(text, add_special_tokens=False).tokens == expected, text
    same = [found.backend.encode(text).ids for text in ("ﬁnal ＡＢＣ１ e\u0301", "final ABC1 é")]
    assert same[0] == same[1]


def test_a_model_of_another_kind_under_the_name_of_sentencepiece(tmp_path: Path) -> None:
    (tmp_path / "tokenizer.model").write_bytes(b"IQ== 0\nIg== 1\n")
    with pytest.raises(FailedPrecondition, match=r"Expected a fast tokenizer|does not load"):
        read_tokenizer(tmp_path, "model m")
