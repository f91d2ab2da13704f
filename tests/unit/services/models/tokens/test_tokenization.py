"""Tokens, cuts and offsets; agreement with transformers is held by the parity tests."""

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from tokenizers import processors

from services.models.tokens.tokenization import Tokenizer
from services.runtime.errors import FailedPrecondition, LimitExceeded
from services.runtime.memory import Memory, accounted
from tests.support.lines import LINES
from tests.support.tiny_models import build_tokenizer, mixed_texts


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("tokenizer")
    tokenizer = build_tokenizer("bert")
    tokenizer.backend_tokenizer.enable_truncation(8)
    tokenizer.backend_tokenizer.enable_padding(length=16)
    tokenizer.save_pretrained(path)
    (path / "config.json").write_text('{"model_type": "bert"}')
    return path


@pytest.fixture(scope="module")
def tokenizer(folder: Path) -> Tokenizer:
    return Tokenizer.load(folder, "model m")


def test_the_files_own_truncation_and_padding_are_off(tokenizer: Tokenizer) -> None:
    short, long = tokenizer.tokenize(["a", LINES[0]], 256)
    assert len(short) == 3
    assert len(long) > 16
    assert not long.truncated


def test_offsets_are_code_points(tokenizer: Tokenizer) -> None:
    line = "🦉🦉 the river – 昨日は"
    [text] = tokenizer.tokenize([line], 256)
    inner = [line[a:b] for a, b in zip(text.starts, text.ends, strict=True)][1:-1]
    assert "".join(inner) == line.replace(" ", "")
    assert text.special.tolist() == [True] + [False] * len(inner) + [True]
    assert text.starts[0] == text.ends[0]
    assert text.content_length == len(inner)


def test_cut_texts_keep_their_special_tokens(tokenizer: Tokenizer) -> None:
    [whole] = tokenizer.tokenize([LINES[0]], 256)
    [cut] = tokenizer.tokenize([LINES[0]], 7)
    assert cut.truncated
    assert cut.full_length == len(whole)
    assert cut.ids.tolist() == [*whole.ids[:6].tolist(), whole.ids[-1]]
    assert cut.special.tolist() == [True, *[False] * 5, True]


def test_cut_at_the_left(folder: Path) -> None:
    backend = build_tokenizer("bert").backend_tokenizer
    [whole] = Tokenizer(backend).tokenize([LINES[0]], 256)
    [cut] = Tokenizer(backend, "left").tokenize([LINES[0]], 7)
    assert cut.ids.tolist() == [whole.ids[0], *whole.ids[-6:].tolist()]


def test_an_empty_text_has_special_tokens_only(tokenizer: Tokenizer) -> None:
    [text] = tokenizer.tokenize([""], 256)
    assert text.special.tolist() == [True, True]
    assert text.content_length == 0


def test_pieces(tokenizer: Tokenizer) -> None:
    [text] = tokenizer.tokenize(["the"], 256)
    assert tokenizer.pieces([*text.ids, 10**6]) == ["[CLS]", "the", "[SEP]", ""]
    assert tokenizer.special_count == 2


def test_threads_do_not_disturb_one_another(tokenizer: Tokenizer) -> None:
    texts = mixed_texts(200)
    alone = [text.ids.tolist() for text in tokenizer.tokenize(texts, 50)]
    with ThreadPoolExecutor(8) as pool:
        rounds = list(pool.map(lambda limit: (limit, tokenizer.tokenize(texts, limit)), [50, 9, 50, 30, 50, 12] * 4))
    for limit, tokens in rounds:
        assert all(len(text) <= limit for text in tokens)
        if limit == 50:
            assert [text.ids.tolist() for text in tokens] == alone


def test_no_fast_tokenizer_is_refused(tmp_path: Path) -> None:
    (tmp_path / "vocab.txt").write_text("a\nb\n")
    with pytest.raises(FailedPrecondition, match=r"Expected a fast tokenizer, but the folder has no tokenizer\.json"):
        Tokenizer.load(tmp_path, "model m")


def test_code_of_its_own_is_refused(tmp_path: Path) -> None:
    build_tokenizer("bert").save_pretrained(tmp_path)
    settings = tmp_path / "tokenizer_config.json"
    settings.write_text(json.dumps(json.loads(settings.read_text()) | {"auto_map": {"AutoTokenizer": ["x.Y", None]}}))
    with pytest.raises(FailedPrecondition, match="code of its own"):
        Tokenizer.load(tmp_path, "model m")


@pytest.mark.parametrize("text", ["{", '{"version": "1.0"}', '{"version": "1.0", "model": {"type": "Foo"}}', "[]"])
def test_a_damaged_tokenizer_is_refused(tmp_path: Path, text: str) -> None:
    build_tokenizer("bert").save_pretrained(tmp_path)
    (tmp_path / "config.json").write_text('{"model_type": "bert"}')
    (tmp_path / "tokenizer.json").write_text(text)
    with pytest.raises(FailedPrecondition, match="its tokenizer does not load"):
        Tokenizer.load(tmp_path, "model m")


def test_other_segments_are_refused() -> None:
    backend = build_tokenizer("bert").backend_tokenizer
    ids = [(token, backend.token_to_id(token)) for token in ("[CLS]", "[SEP]")]
    backend.post_processor = processors.TemplateProcessing(single="[CLS] $A:1 [SEP]:1", special_tokens=ids)
    with pytest.raises(FailedPrecondition, match="segment other than 0"):
        Tokenizer(backend).check("model m")


@pytest.mark.parametrize(("text", "size"), [("." * 100, 100), ("é." * 100, 300), ("\ufdfa" * 10, 330)])
def test_what_it_takes_is_held_while_it_works(tokenizer: Tokenizer, text: str, size: int) -> None:
    """Each byte may be a token; one that is written out as many is as many."""
    memory = Memory(480 * size)
    with memory.account() as account, accounted(account):
        tokenizer.tokenize([text], 8)
        assert memory.used == 0
        with pytest.raises(LimitExceeded):
            tokenizer.tokenize([text, "."], 8)
    assert memory.used == 0


def test_what_is_not_looked_at_of_a_long_text_is_not_held(tokenizer: Tokenizer) -> None:
    memory = Memory(480 * 20_000)
    with memory.account() as account, accounted(account):
        [found] = tokenizer.tokenize(["the cat " * 100_000], 8)
        with pytest.raises(LimitExceeded):
            tokenizer.tokenize(["." * 800_000], 8)
    assert len(found) == 8
