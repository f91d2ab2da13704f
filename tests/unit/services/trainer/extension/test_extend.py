"""Words of another language in a model: what is new, what stays bit for bit, and that other libraries load it."""

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from babelscope.corpora import WordVectors
from babelscope.corpora.word_vectors import to_examples
from babelscope.data.examples import Example
from safetensors.torch import load_file
from transformers import AutoModelForMaskedLM, AutoTokenizer

from services.models.catalogue import ModelFiles, load_model
from services.models.spec import ModelSpec, Reinit
from services.models.tokens.tokenization import Tokenizer
from services.runtime.errors import FailedPrecondition, InvalidArgument
from services.trainer.data.words import cut_sentences
from services.trainer.extension.extend import Extended, extend
from services.trainer.extension.plan import ExtendPlan
from tests.support.lines import LINES
from tests.support.tiny_models import build_model

WORDS = ("Straßenbahn", "нырять", "水曜日", "Ångström", "the", "</s>", "x" * 101, "straßenbahn", "Zaunkönig")
FAMILIES = ("bert", "roberta", "xlm-roberta", "electra", "modernbert", "distilbert")


def _extend(
    folder: Path,
    target: Path,
    vectors: WordVectors | Sequence[Example],
    *,
    anchors: WordVectors | None = None,
    arrays: dict[str, Any] | None = None,
    **how: Any,
) -> Extended:
    sets = {"vectors": vectors, "anchors": anchors}

    def examples(name: str) -> list[Example]:
        found = sets[name]
        return list(to_examples(found, "de")) if isinstance(found, WordVectors) else list(found or ())

    return extend(
        ExtendPlan(ModelSpec("tiny"), "vectors", anchors="anchors" if anchors else "", **how),
        files=ModelFiles(aliases={"tiny": folder}),
        examples=examples,
        read_array=lambda name, role: (arrays or {}).get(role),
        target=target,
    )


def _width(folder: Path) -> int:
    config = json.loads((folder / "config.json").read_text())
    return int(config.get("embedding_size") or config.get("hidden_size") or config["dim"])


def _made(words: Sequence[str], width: int, seed: int = 0) -> WordVectors:
    rows = np.random.default_rng(seed).normal(size=(len(words), width)).astype(np.float32)
    return WordVectors(tuple(words), rows)


def _added(folder: Path, origin: Path) -> dict[str, int]:
    """Ids of the words that a folder's tokenizer has beyond those of another."""
    after, before = (
        {each["content"]: each["id"] for each in json.loads((one / "tokenizer.json").read_text())["added_tokens"]}
        for one in (folder, origin)
    )
    return {word: number for word, number in after.items() if word not in before}


@pytest.mark.parametrize("family", FAMILIES)
def test_words_get_their_vectors_and_all_else_stays(family: str, tmp_path: Path) -> None:
    folder = build_model(family, tmp_path / "old", head=True)
    vectors = _made(WORDS, _width(folder))
    found = _extend(folder, tmp_path / "new", vectors)
    assert found.added + found.known + found.refused >= len(WORDS) - 1
    before, after = (load_model(ModelFiles(aliases={"m": each}), ModelSpec("m")) for each in (folder, tmp_path / "new"))
    old, new = before.encoder.embeddings.word, after.encoder.embeddings.word
    ids = _added(tmp_path / "new", folder)
    kept = [row for row in range(len(old)) if row not in ids.values()]
    assert torch.equal(new[kept], old[kept])
    served = Tokenizer.load(tmp_path / "new", "new")
    assert served.difference == before.tokenizer.difference
    text = "Vor der Straßenbahn sitzt, нырять 水曜日 ein Zaunkönig."
    [tokens] = served.tokenize([text], 100)
    for word in ("Straßenbahn", "нырять", "水曜日", "Zaunkönig"):
        assert (tokens.ids == ids[word]).sum() == 1
        [place] = np.flatnonzero(tokens.ids == ids[word])
        assert text[tokens.starts[place] : tokens.ends[place]].strip() == word
        np.testing.assert_array_equal(new[ids[word]].numpy(), vectors.vectors[WORDS.index(word)])
    # Texts without the words have the tokens and the hidden states that they had.
    texts = ["She read a letter twice.", "Les élèves ont planté des arbres.", "Straßenbahnen, Zaunkönige"]
    ours, theirs = (each.tokenizer.tokenize(texts, 100) for each in (after, before))
    assert [each.ids.tolist() for each in ours] == [each.ids.tolist() for each in theirs]
    # transformers loads the folder as it is, head included, and cuts the same tokens.
    assert AutoTokenizer.from_pretrained(tmp_path / "new")(text)["input_ids"] == tokens.ids.tolist()
    model, origin = (AutoModelForMaskedLM.from_pretrained(each) for each in (tmp_path / "new", folder))
    assert model.get_input_embeddings().weight.shape == new.shape
    with torch.inference_mode():
        inputs = torch.from_numpy(ours[0].ids)[None]
        logits, expected = (each.eval()(inputs).logits for each in (model, origin))
    torch.testing.assert_close(logits[..., kept], expected[..., kept], rtol=0, atol=2e-5)
    assert logits.shape[-1] == len(new)
    said = json.loads((tmp_path / "new" / "extension.json").read_text())
    assert said == found.provenance
    assert said["added"] == str(found.added)


@pytest.mark.parametrize("family", ["bert", "roberta", "xlm-roberta"])
def test_words_of_a_sentence_find_their_token(family: str, tiny: Callable[[str], Path], tmp_path: Path) -> None:
    """Tasks read a word at its first sub-word: that of a new word is its own, and none is lost."""
    folder = tiny(family)
    found = _extend(folder, tmp_path / "new", _made(("Zaunkönig", "нырять"), _width(folder)))
    tokenizer = Tokenizer.load(found.folder, "new")
    [cut] = cut_sentences([["Ein", "Zaunkönig", ",", "нырять", "!"]], tokenizer, 50, split=True)
    [window] = cut.windows
    assert window.words.tolist() == [0, 1, 2, 3, 4]
    ids = window.text.ids[window.rows]
    added = _added(found.folder, folder)
    assert [ids[1], ids[3]] == [added["Zaunkönig"], added["нырять"]]
    assert not {ids[0], ids[2], ids[4]} & set(added.values())
    assert len(set(window.rows.tolist())) == 5


def test_rows_that_no_token_had_are_used_first(tiny: Callable[[str], Path], tmp_path: Path) -> None:
    """A table may have more rows than the tokenizer has tokens."""
    padded = tmp_path / "padded"
    _pad(tiny("bert"), padded, 3)
    rows = load_file(padded / "model.safetensors")
    name = next(each for each in rows if each.endswith("word_embeddings.weight"))
    found = _extend(padded, tmp_path / "new", _made(("Zaunkönig", "нырять"), 48))
    after = load_file(found.folder / "model.safetensors")[name]
    assert after.shape == rows[name].shape
    assert (after != rows[name]).any(dim=1).sum() == 2


def _pad(folder: Path, target: Path, rows: int) -> None:
    model = AutoModelForMaskedLM.from_pretrained(folder)
    model.resize_token_embeddings(model.config.vocab_size + rows)
    model.save_pretrained(target)
    for path in folder.glob("*token*"):
        (target / path.name).write_bytes(path.read_bytes())


def test_a_map_or_anchors_take_vectors_to_the_width(tiny: Callable[[str], Path], tmp_path: Path) -> None:
    folder = tiny("bert")
    table = load_model(ModelFiles(aliases={"m": folder}), ModelSpec("m")).encoder.embeddings.word.double().numpy()
    given, draws = _made(("Zaunkönig", "нырять"), 5), np.random.default_rng(2)
    matrix, bias = draws.normal(size=(5, 48)), draws.normal(size=48)
    found = _extend(folder, tmp_path / "map", given, map="maps/x", arrays={"matrix": matrix, "bias": bias})
    np.testing.assert_allclose(_last_rows(found.folder, 2), given.vectors @ matrix + bias, rtol=1e-4, atol=1e-5)
    # Anchors: the least-squares map from their vectors to their embeddings.
    backend = Tokenizer.load(folder, "tiny")
    candidates = sorted({word for line in LINES for word in line.lower().split() if word.isalpha()})
    cut = {word: each.ids.tolist() for word, each in zip(candidates, backend.tokenize(candidates, 9), strict=True)}
    words = [word for word in candidates if len(cut[word]) == 3][:6]
    ids = [cut[word][1] for word in words]
    anchored = WordVectors(tuple(words), np.linalg.lstsq(matrix.T, table[ids].T, rcond=None)[0].T.astype(np.float32))
    found = _extend(folder, tmp_path / "anchors", given, anchors=anchored)
    fitted = np.linalg.lstsq(anchored.vectors.astype(np.float64), table[ids], rcond=None)[0]
    np.testing.assert_allclose(_last_rows(found.folder, 2), given.vectors @ fitted, rtol=1e-3, atol=1e-5)
    assert found.provenance["anchor_fit"].startswith("6 words, R2 ")
    few = WordVectors((words[0], "Zaunkönig"), np.ones((2, 5), np.float32))
    with pytest.raises(FailedPrecondition, match="at least 5 words that are single pieces"):
        _extend(folder, tmp_path / "few", given, anchors=few)


def _last_rows(folder: Path, rows: int) -> np.ndarray[Any, Any]:
    return load_model(ModelFiles(aliases={"m": folder}), ModelSpec("m")).encoder.embeddings.word[-rows:].numpy()


def test_what_cannot_be_is_refused(tiny: Callable[[str], Path], tmp_path: Path) -> None:
    folder, vectors = tiny("bert"), _made(("Zaunkönig",), 48)
    for kind, problem, how in (
        (InvalidArgument, "Expected vectors of 48 numbers", {"vectors": _made(("Zaunkönig",), 7)}),
        (InvalidArgument, r"Expected a map of shape \[48, 48\], but got \[3, 48\]",
         {"map": "maps/x", "arrays": {"matrix": np.ones((3, 48))}}),
        (InvalidArgument, "both", {"map": "maps/x", "anchors": vectors}),
        (InvalidArgument, "limit", {"limit": -1}),
        (FailedPrecondition, "Expected a matrix", {"map": "maps/x"}),
        (FailedPrecondition, "but got none among 1", {"vectors": _made(("the",), 48)}),
        (FailedPrecondition, "at least one vector", {"vectors": []}),
        (FailedPrecondition, "Expected a word and its numbers", {"vectors": [Example("1", "Zaunkönig")]}),
        (FailedPrecondition, "Expected finite numbers", {"vectors": [Example("1", "a 1.0 nan")]}),
    ):  # fmt: skip
        with pytest.raises(kind, match=problem):
            _extend(folder, tmp_path / "new", **{"vectors": vectors, **how})
        assert not (tmp_path / "new").exists()
    plan = ExtendPlan(ModelSpec("tiny", reinit=(Reinit((1,)),)), "vectors")
    with pytest.raises(InvalidArgument) as caught:
        extend(
            plan,
            files=ModelFiles(aliases={"tiny": folder}),
            examples=lambda name: [],
            read_array=lambda name, role: None,
            target=tmp_path / "new",
        )
    assert caught.value.field == "model.reinit"
    limited = _extend(folder, tmp_path / "limited", _made(("Zaunkönig", "нырять"), 48), limit=1)
    assert limited.added == 1
    assert replace(limited, folder=folder).known == 0
