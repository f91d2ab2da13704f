"""Raw text through a parser: the package's documents become sentences with offsets; what is missing is said."""

import sys
from collections.abc import Callable, Iterable
from types import SimpleNamespace
from typing import Any

import pytest
from babelscope.data.examples import Example
from babelscope.errors import BabelscopeError

from services.datagen.counts import StepReport
from services.datagen.transforms.reorder import Reorder, ReorderOptions
from services.datagen.trees.parsing import PARSERS, StanzaParser, from_stanza, parser_of
from services.runtime.errors import FailedPrecondition, InvalidArgument
from tests.support.language_tags import SPELLINGS, all_spellings

TEXT = "  Er geht zum Arzt.  Sie schläft."
TOKENS: list[list[dict[str, Any]]] = [
    [
        {"id": 1, "text": "Er", "upos": "PRON", "head": 2, "deprel": "nsubj", "start_char": 2, "end_char": 4},
        {"id": 2, "text": "geht", "upos": "VERB", "head": 0, "deprel": "root", "start_char": 5, "end_char": 9},
        {"id": (3, 4), "text": "zum", "start_char": 10, "end_char": 13},
        {"id": 3, "text": "zu", "upos": "ADP", "head": 5, "deprel": "case"},
        {"id": 4, "text": "dem", "upos": "DET", "head": 5, "deprel": "det"},
        {"id": 5, "text": "Arzt", "upos": "NOUN", "head": 2, "deprel": "obl", "start_char": 14, "end_char": 18},
        {"id": 6, "text": ".", "upos": "PUNCT", "head": 2, "deprel": "punct", "start_char": 18, "end_char": 19},
    ],
    [
        {"id": 1, "text": "Sie", "upos": "PRON", "head": 2, "deprel": "nsubj", "start_char": 21, "end_char": 24},
        {"id": 2, "text": "schläft", "upos": "VERB", "head": 0, "deprel": "root", "start_char": 25, "end_char": 32},
        {"id": 3, "text": ".", "upos": "PUNCT", "head": 2, "deprel": "punct", "start_char": 32, "end_char": 33},
    ],
]


def document() -> Any:
    """The document as Stanza shapes it: by the package itself where it is installed."""
    try:
        from stanza.models.common.doc import Document
    except ModuleNotFoundError:
        return SimpleNamespace(sentences=[SimpleNamespace(tokens=_tokens(rows)) for rows in TOKENS])
    return Document(TOKENS, text=TEXT)


def _tokens(rows: list[dict[str, Any]]) -> list[SimpleNamespace]:
    words = {row["id"]: SimpleNamespace(lemma=None, feats=None, **row) for row in rows if isinstance(row["id"], int)}
    tokens, covered = [], 0
    for row in rows:
        first, last = row["id"] if isinstance(row["id"], tuple) else (row["id"], row["id"])
        if first > covered:
            parts = [words[number] for number in range(first, last + 1)]
            tokens.append(SimpleNamespace(start_char=row["start_char"], end_char=row["end_char"], words=parts))
            covered = last
    return tokens


def test_a_document_becomes_sentences_with_offsets() -> None:
    first, second = from_stanza(document(), TEXT)
    assert [word.form for word in first.sentence.words] == ["Er", "geht", "zu", "dem", "Arzt", "."]
    assert [TEXT[start:end] for start, end in first.spans] == ["Er", "geht", "zum", "zum", "Arzt", "."]
    assert first.sentence.text == "Er geht zum Arzt." == TEXT[first.start : first.end]
    assert [word.head for word in second.sentence.words] == [2, 0, 2]
    assert [word.space_after for word in first.sentence.words] == [True, True, True, True, False, True]


def test_text_is_reordered_through_a_parser(monkeypatch: pytest.MonkeyPatch) -> None:
    known = SimpleNamespace(parse=lambda text, language: from_stanza(document(), text))
    monkeypatch.setitem(PARSERS, "stanza", lambda: known)
    step = Reorder(ReorderOptions("VSO", parser="stanza"), None, 0)
    (done,) = step.apply([Example("t", TEXT, "de")], StepReport("reorder"))
    assert done.content == "  geht Er zum Arzt.  schläft Sie."


def test_a_parser_that_is_not_there_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InvalidArgument, match="stanza"):
        parser_of("nobody")
    monkeypatch.setitem(sys.modules, "stanza", None)
    with pytest.raises(FailedPrecondition, match="parsing"):
        parser_of("stanza")


def test_a_missing_model_is_a_precondition(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise BabelscopeError("no resources.json")

    monkeypatch.setitem(sys.modules, "stanza", SimpleNamespace(Pipeline=refuse))
    with pytest.raises(FailedPrecondition, match="language 'de'"):
        StanzaParser().parse("Er geht.", "de-AT")


def _loaded(monkeypatch: pytest.MonkeyPatch, tags: Iterable[str]) -> list[str]:
    """The languages whose models a parser loads for texts of these tags, in order."""
    codes: list[str] = []

    def pipeline(code: str, **_: object) -> Callable[[str], Any]:
        codes.append(code)
        return lambda _: document()

    monkeypatch.setitem(sys.modules, "stanza", SimpleNamespace(Pipeline=pipeline))
    parser = StanzaParser()
    for tag in tags:
        assert len(parser.parse(TEXT, tag)) == 2
    return codes


def test_all_spellings_of_a_language_have_one_model(monkeypatch: pytest.MonkeyPatch) -> None:
    assert _loaded(monkeypatch, (tag for _, tag in all_spellings())) == list(SPELLINGS)


@pytest.mark.parametrize(
    ("tags", "code"),
    [
        (("zh-Hant", "zh_TW", "cmn_Hant", "zh-HK"), "zh-hant"), (("zh", "zh-SG", "zho_Hans"), "zh"),
        (("tl", "fil", "tgl_Latn"), "tl"), (("he", "iw", "heb"), "he"), (("yue", "zh-yue"), "yue"),
        (("lzh",), "lzh"),
    ],
)  # fmt: skip
def test_models_by_script(monkeypatch: pytest.MonkeyPatch, tags: tuple[str, ...], code: str) -> None:
    assert _loaded(monkeypatch, tags) == [code]
