"""Rows by word, span and position: from files, through clients and commands, to numbers."""

import json
from pathlib import Path

import babelscope
import babelscope.aio
import numpy as np
import pytest
from babelscope import InvalidRequest, LocalMesh, Text
from babelscope.calls.views import View
from babelscope.cli import run

from tests.support.encoder_calls import sentences

WORDS = [tuple(text.split()) for text in sentences(40, 3, longest=12)]
LEFT = [Text(f"s{number}", words=words) for number, words in enumerate(WORDS)]
RIGHT = [Text(f"s{number}", words=tuple(reversed(words))) for number, words in enumerate(WORDS)]


async def test_words_are_compared_by_sentence_and_number(mesh: LocalMesh) -> None:
    found = mesh.metrics.compare({"left": LEFT, "right": RIGHT}, ["cka"], model="tiny", pooling="word_mean", layers=[2])
    n = sum(map(len, WORDS))
    assert ([view.rows for view in found.views], found.pairs[0].n) == ([n, n], n)
    assert "pool:word_mean" in found.estimates[0].signature
    states = {
        name: mesh.encoder.encode(texts, model="tiny", pooling="word_mean", layers=[2])
        for name, texts in (("left", LEFT), ("right", RIGHT))
    }
    assert states["left"].row_ids[:2] == ("s0#0", "s0#1")
    pushed = mesh.metrics.compare(states, ["cka"])
    assert found.estimates[0].value == pytest.approx(pushed.estimates[0].value, abs=1e-6)
    async with babelscope.aio.connect(mesh.address) as aio:
        theirs = await aio.encoder.encode(LEFT, model="tiny", pooling="word_mean", layers=[2])
    np.testing.assert_allclose(theirs.array, states["left"].array, atol=1e-5)


def test_words_without_pieces_are_left_out_and_counted(mesh: LocalMesh) -> None:
    holed = [Text(text.id, words=("\u200b", *text.words[1:], "cat")) for text in LEFT]
    whole = [Text(text.id, words=(*text.words, "cat")) for text in LEFT]
    views = {"holed": holed, "whole": whole}
    options = {"model": "tiny", "pooling": "word_first", "layers": [1]}
    state = mesh.encoder.encode(holed, **options)
    assert state.empty.tolist() == state.offsets[:-1].tolist()
    assert state.totals.empty_rows == len(LEFT)
    with pytest.raises(InvalidRequest, match="'holed' lacks 40 of them: 's0#0'"):
        mesh.metrics.compare(views, ["cosine"], **options)
    found = mesh.metrics.compare(views, ["cosine"], alignment="intersect", **options)
    rows = sum(map(len, WORDS))
    assert [(view.rows, view.empty_rows) for view in found.views] == [(rows, 40), (rows + 40, 0)]
    assert (found.pairs[0].n, found.pairs[0].right_only) == (rows, 40)
    # Rows before and after those that were left out are still their own.
    others = mesh.encoder.encode(whole, **options)
    ids = {one: row for row, one in enumerate(others.row_ids)}
    pushed = {
        "holed": View(activations=state),
        "whole": View(
            activations=others.array[[ids[one] for one in np.delete(state.row_ids, state.empty)]],
            ids=np.delete(state.row_ids, state.empty).tolist(),
            layers=[1],
        ),
    }
    same = mesh.metrics.compare(pushed, ["cosine"])
    assert found.estimates[0].value == pytest.approx(same.estimates[0].value, abs=1e-6)


def test_spans_are_retrieved_and_projected(mesh: LocalMesh) -> None:
    texts = [Text(text.id, " ".join(text.words), spans=((0, len(text.words[0])),)) for text in LEFT]
    found = mesh.metrics.retrieve(
        {"a": texts, "b": texts}, ["cosine"], model="tiny", pooling="span", layers=[2], ranks=[1]
    )
    assert found.pairs[0].n == len(LEFT)
    placed = mesh.metrics.project({"a": texts}, 2, model="tiny", pooling="span", layers=[0])
    assert placed.ids["a"] == tuple(f"{text.id}#0" for text in texts)
    chosen = [Text(text.id, text.text, positions=(1,)) for text in texts]
    other = mesh.metrics.project({"a": chosen}, 2, model="tiny", pooling="token", layers=[0])
    np.testing.assert_allclose(np.abs(other.coordinates["a", 0]), np.abs(placed.coordinates["a", 0]), atol=1e-4)


def test_what_a_pooling_needs_is_named(mesh: LocalMesh) -> None:
    for pooling, units in (("word_mean", "words"), ("span", "spans"), ("token", "positions")):
        with pytest.raises(InvalidRequest, match=f"Expected the {units} of text '0' of view 'a'") as caught:
            mesh.metrics.compare({"a": ["the cat"], "b": ["a dog"]}, model="tiny", pooling=pooling)
        assert caught.value.field == f"texts.texts[0].{units}"
    nothing = [Text("x", words=("\u200b", "\u200b"))]
    with pytest.raises(InvalidRequest, match="at least one token"):
        mesh.metrics.compare({"a": nothing, "b": nothing}, model="tiny", pooling="word_mean")


def test_commands_take_words_of_trees_and_answers_of_questions(
    mesh: LocalMesh, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    address = ["--mesh", mesh.address, "--model", "tiny"]
    trees, questions = [], []
    for side in ("en", "fr"):
        lines = []
        for number, words in enumerate(WORDS[:12]):
            lines += [f"# sent_id = s{number}", f"# text = {' '.join(words)}"]
            lines += [f"{place}\t{word}\t_\tX\t_\t_\t0\troot\t_\t_" for place, word in enumerate(words, 1)] + [""]
        path = tmp_path / f"{side}.conllu"
        path.write_text("\n".join(lines) + "\n")
        trees += ["--parallel", f"{side}={path}"]
        asked = [
            {"id": f"q{n}", "question": "what", "answers": [{"text": words[0], "answer_start": 0}]}
            for n, words in enumerate(WORDS[:12])
        ]
        paragraphs = [{"context": " ".join(words), "qas": [qa]} for words, qa in zip(WORDS[:12], asked, strict=True)]
        path = tmp_path / f"{side}.json"
        path.write_text(json.dumps({"data": [{"title": "t", "paragraphs": paragraphs}]}))
        questions += ["--parallel", f"{side}={path}"]
    assert run(["compare", *trees, "--pooling", "word_mean", "--layers", "2", *address]) == 0
    assert run(["compare", *questions, "--pooling", "span", "--measure", "cosine", "--layers", "2", *address]) == 0
    printed = [line.split("\t") for line in capsys.readouterr().out.splitlines()]
    assert [line[-1] for line in printed if line[-1] != "n"] == [str(sum(map(len, WORDS[:12]))), "12"]
    out = tmp_path / "rows.npz"
    file = questions[1].partition("=")[2]
    assert run(["encode", "--input", file, "--pooling", "span", "--output", str(out), *address]) == 0
    with np.load(out, allow_pickle=False) as found:
        assert (found["activations"].shape, found["empty"].tolist()) == ((12, 3, 32), [])
    assert run(["encode", "--input", file, "--pooling", "word_mean", "--output", str(out), *address]) == 1
    assert "needs sentences in words" in capsys.readouterr().err
    out = tmp_path / "tokens.npz"
    assert run(["project", "--corpus", trees[1], "--pooling", "token", "--output", str(out), *address]) == 0
    with np.load(out, allow_pickle=False) as found:
        assert len(found["ids"]) == sum(map(len, WORDS[:12])) + 2 * 12
        assert found["ids"][0] == "s0#0"


def test_commands_say_how_many_texts_were_cut(
    mesh: LocalMesh, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    address = ["--mesh", mesh.address, "--model", "tiny", "--overflow", "truncate", "--layers", "2"]
    lines = [
        f"the cat sees {word} " + "and the dog " * 30 * (number < 3) for number, word in enumerate("abcdefghijklm")
    ]
    files = {}
    for side, texts in (("en", lines), ("fr", [line[:20] for line in lines])):
        files[side] = tmp_path / f"{side}.txt"
        files[side].write_text("\n".join(texts) + "\n")
    gold = tmp_path / "gold.tsv"
    gold.write_text("".join(f"{word}\t{word}\n" for word in ("the", "cat", "sees", *"abcdefghijklm")))
    parallel = [option for side, path in files.items() for option in ("--parallel", f"{side}={path}")]
    corpora = [option for side, path in files.items() for option in ("--corpus", f"{side}={path}")]
    for command in (
        ["compare", *parallel, "--measure", "cosine"],
        ["retrieve", *parallel, "--similarity", "cosine"],
        ["retrieve", "--gold", str(gold), *corpora, "--similarity", "cosine"],
        ["project", *corpora, "--output", str(tmp_path / "out.npz")],
        ["project", *corpora, "--pooling", "token", "--output", str(tmp_path / "out.npz")],
    ):
        assert run([*command, *address]) == 0
        said = capsys.readouterr().err
        assert "en: 3 texts were cut to what the model takes" in said, command
        assert "fr: " not in said or "cut" not in said.partition("fr: ")[2], command
