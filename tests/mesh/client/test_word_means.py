"""Words over all their contexts equal a dictionary of lists over plain hidden states, through real servers."""

from collections import defaultdict
from pathlib import Path

import babelscope
import babelscope.aio
import numpy as np
import pytest
import torch
from babelscope import InvalidRequest, LocalMesh, Text, WordMeans
from babelscope.calls.views import View, Views
from babelscope.cli import run
from numpy.typing import NDArray
from transformers import AutoModel, AutoTokenizer

from tests.support.encoder_calls import sentences
from tests.support.models import WORDS

TEXTS = [text.capitalize() + "." for text in sentences(150, 7, longest=20)]
PIECES = {"old cat", "bird", "the"}


@pytest.fixture(scope="module")
def plain(model_root: Path) -> dict[str, list[NDArray[np.float32]]]:
    """By word, the [K, d] rows of all its occurrences, from transformers, one text at a time."""
    tokenizer = AutoTokenizer.from_pretrained(model_root / "tiny")
    model = AutoModel.from_pretrained(model_root / "tiny", dtype=torch.float32).eval()
    found: dict[str, list[NDArray[np.float32]]] = defaultdict(list)
    for text in TEXTS:
        encoded = tokenizer(text, return_tensors="pt", return_offsets_mapping=True)
        with torch.no_grad():
            states = torch.cat(model(input_ids=encoded["input_ids"], output_hidden_states=True).hidden_states).numpy()
        for place, (start, end) in enumerate(encoded["offset_mapping"][0].tolist()):
            if end > start and text[start].isalpha():
                found[text[start:end]].append(states[:, place])
    return found


def _check(found: WordMeans, expected: dict[str, list[NDArray[np.float32]]]) -> None:
    assert found.words == tuple(expected)
    assert found.counts.tolist() == [len(rows) for rows in expected.values()]
    means = np.array([np.mean(rows, 0, dtype=np.float64) for rows in expected.values()])
    np.testing.assert_allclose(found.array, means, atol=2e-5)


async def test_all_words_of_a_corpus(mesh: LocalMesh, plain: dict[str, list[NDArray[np.float32]]]) -> None:
    found = mesh.encoder.encode_words(TEXTS, model="tiny")
    _check(found, plain)
    assert (found.layers, found.texts, found.rare_words) == ((0, 1, 2), len(TEXTS), 0)
    async with babelscope.aio.connect(mesh.address) as aio:
        _check(await aio.encoder.encode_words(iter(TEXTS), model="tiny"), plain)
    shards = [mesh.encoder.encode_words(TEXTS[start : start + 40], model="tiny") for start in range(0, 150, 40)]
    merged = WordMeans.merge(shards)
    assert (merged.words, merged.counts.tolist()) == (found.words, found.counts.tolist())
    np.testing.assert_allclose(merged.array, found.array, atol=1e-6)
    frequent = mesh.encoder.encode_words(TEXTS, model="tiny", min_count=30)
    _check(frequent, {word: rows for word, rows in plain.items() if len(rows) >= 30})
    assert frequent.rare_words == len(plain) - len(frequent.words) > 0


def test_case_is_folded_where_that_is_asked_for(mesh: LocalMesh, plain: dict[str, list[NDArray[np.float32]]]) -> None:
    folded: dict[str, list[NDArray[np.float32]]] = defaultdict(list)
    for text in TEXTS:
        for word in text.rstrip(".").split():
            folded[word.lower()] = []
    for word, rows in plain.items():
        folded[word.lower()] += rows
    _check(mesh.encoder.encode_words(TEXTS, model="tiny", ignore_case=True), folded)


def test_wanted_words_alone_and_the_longest_of_them(mesh: LocalMesh) -> None:
    found = mesh.encoder.encode_words(TEXTS, model="tiny", words=sorted(PIECES), layers=[2])
    assert set(found.words) == PIECES
    joined = " ".join(TEXTS)
    assert found.counts[found.words.index("old cat")] == joined.count("old cat")
    assert found.texts == sum(any(word in text for word in ("old cat", "bird", "the ", "the.")) for text in TEXTS)
    spans = [
        Text(str(number), text, spans=((text.index("old cat"), text.index("old cat") + 7),))
        for number, text in enumerate(TEXTS)
        if text.count("old cat") == 1
    ]
    rows = mesh.encoder.encode(spans, model="tiny", pooling="span", layers=[2]).array
    single = mesh.encoder.encode_words([text.text for text in spans], model="tiny", words=["old cat"], layers=[2])
    np.testing.assert_allclose(single.vector("old cat", 2), rows[:, 0].mean(0), atol=1e-5)


def test_words_come_in_the_order_of_the_corpus_whatever_is_computed_first(mesh: LocalMesh) -> None:
    texts = [f"{'the cat ' * (number * 7 % 23)}unique{number}" for number in range(600)]
    expected = dict.fromkeys(word for text in texts for word in text.split())
    found = mesh.encoder.encode_words(texts, model="tiny", layers=[0])
    assert found.words == tuple(expected)
    shards = [mesh.encoder.encode_words(texts[at : at + 250], model="tiny", layers=[0]) for at in range(0, 600, 250)]
    assert WordMeans.merge(shards).words == found.words


def test_given_words_have_rows_of_their_own(mesh: LocalMesh) -> None:
    texts = [Text("a", "the cat.", words=("the", "cat", ".")), Text("b", words=("cat", "\u200b", "dog"))]
    found = mesh.encoder.encode_words(texts, model="tiny")
    assert found.words == ("the", "cat", ".", "dog")
    assert (found.counts.tolist(), found.empty_rows) == ([1, 2, 1, 1], 1)
    first = mesh.encoder.encode_words(texts, model="tiny", pooling="word_first")
    np.testing.assert_allclose(first.array, found.array, atol=1e-5)
    assert mesh.encoder.encode_words(texts, model="tiny", words=["absent"]).words == ()


def test_words_are_retrieved_by_a_dictionary(mesh: LocalMesh) -> None:
    found = mesh.encoder.encode_words(TEXTS, model="tiny", ignore_case=True, min_count=2)
    views = {"en": found.view("en"), "fr": found.view("fr")}
    gold = [(word, word) for word in found.words]
    answer = mesh.metrics.retrieve(views, ["cosine"], gold=gold, ranks=[1])
    assert {each.value for each in answer.estimates if each.metric == "p@1"} == {1.0}
    assert answer.pairs[0].covered_sources == len(found.words)


def test_the_command_retrieves_words_in_their_contexts(
    mesh: LocalMesh, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    corpus, gold = tmp_path / "corpus.txt", tmp_path / "gold.tsv"
    corpus.write_text("\n".join(TEXTS) + "\n")
    words = ["old", "cat", "bird", "river", "house", "dog", "absent", "red", "sees", "eats", "and", "in", "on"]
    gold.write_text("".join(f"{word}\t{word}\n" for word in words))
    command = ["retrieve", "--gold", str(gold), "--corpus", f"en={corpus}", "--corpus", f"fr={corpus}", "--layers", "2"]
    assert run([*command, "--similarity", "cosine", "--rank", "1", "--model", "tiny", "--mesh", mesh.address]) == 0
    printed = capsys.readouterr()
    lines = [line.split("\t") for line in printed.out.splitlines()]
    assert {line[5] for line in lines if line[0] == "p@1"} == {"1.0"}
    assert "en: 12 of 13 words are in the corpus" in printed.err
    assert "12 of 13 sources of the dictionary are covered; not absent" in printed.err
    none = [
        "retrieve",
        "--gold",
        str(gold),
        "--corpus",
        f"en={corpus}",
        "--words",
        "en",
        "--words",
        "fr",
        "--match-case",
    ]
    gold.write_text("ABSENT\tcat\n")
    assert run([*none, "--model", "tiny", "--mesh", mesh.address]) == 2


async def test_words_of_the_embedding_table(mesh: LocalMesh, model_root: Path) -> None:
    table = AutoModel.from_pretrained(model_root / "tiny").get_input_embeddings().weight.detach().numpy()
    tokenizer = AutoTokenizer.from_pretrained(model_root / "tiny")
    wanted = ["cat", "catalogue", "the", "old cat", "cat", "River"]
    found = mesh.encoder.encode_words(words=wanted, model="tiny", embedding_table=True)
    assert (found.words, found.left_out_words, found.layers, found.texts) == (("cat", "the", "River"), 2, (0,), 0)
    ids = tokenizer.convert_tokens_to_ids(["cat", "the", "river"])
    np.testing.assert_array_equal(found.array[:, 0], table[ids])
    async with babelscope.aio.connect(mesh.address) as aio:
        again = await aio.encoder.encode_words(words=wanted, model="tiny", embedding_table=True, layers=[0])
    np.testing.assert_array_equal(again.array, found.array)
    # Many messages of words, and of vectors; the hidden state of layer 0 is something else.
    many = mesh.encoder.encode_words(words=[*map(str, range(9000)), *WORDS], model="tiny", embedding_table=True)
    assert (many.words, many.left_out_words) == (tuple(WORDS), 9000)
    hidden = mesh.encoder.encode(["cat"], model="tiny", layers=[0], pooling="token").array[1, 0]
    assert np.abs(hidden - found.vector("cat", 0)).max() > 0.1


def test_the_command_retrieves_words_of_the_embedding_table(
    mesh: LocalMesh, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    gold = tmp_path / "gold.tsv"
    gold.write_text("".join(f"{word}\t{word}\n" for word in [*WORDS, "catalogue"]))
    command = ["retrieve", "--gold", str(gold), "--words", "en", "--words", "fr", "--embedding-table"]
    asked = ["--similarity", "cosine", "--rank", "1", "--model", "tiny", "--mesh", mesh.address]
    assert run([*command, *asked]) == 0
    printed = capsys.readouterr()
    lines = [line.split("\t") for line in printed.out.splitlines()]
    assert {(line[4], line[5]) for line in lines if line[0] == "p@1"} == {("0", "1.0")}
    assert f"fr: {len(WORDS)} of {len(WORDS) + 1} words are one piece of the model's tokenizer" in printed.err
    gold.write_text("catalogue\tcatalogue\n")
    assert run([*command, *asked]) == 2
    assert "Expected words of en that are one piece of the model's tokenizer, but none is" in capsys.readouterr().err
    assert run([*command, "--corpus", f"en={gold}", *asked]) == 2
    assert run([*command, "--pooling", "cls", *asked]) == 2
    assert "Expected no --pooling with --embedding-table, but got cls" in capsys.readouterr().err
    vectors = tmp_path / "words.vec"
    vectors.write_text("2 4\ncat 1 2 3 4\ndog 4 3 2 1\n")
    sides = ["--words", f"en={vectors}", "--words", f"fr={vectors}"]
    assert run(["retrieve", "--gold", str(gold), *sides, "--embedding-table", *asked]) == 2
    assert "but both sides are vectors" in capsys.readouterr().err
    assert run(["retrieve", "--parallel", f"en={gold}", "--parallel", f"fr={gold}", "--embedding-table", *asked]) == 2


def test_wrong_requests_are_named(mesh: LocalMesh) -> None:
    for options, field, problem in (
        ({"pooling": "cls"}, "spec.encode.pooling", "Expected one of POOLING_WORD_MEAN, POOLING_WORD_FIRST"),
        ({"min_count": -1}, "spec.min_count", "0 or more, but got -1"),
        ({"layers": [9]}, "spec.encode.layers[0]", "within 0..2"),
        ({"words": ["cat", " "]}, "words.words[1]", "not empty"),
        ({"embedding_table": True}, "words.words", "Expected the words wanted with `embedding_table`, but got none"),
        ({"embedding_table": True, "words": ["cat"]}, "texts", "Expected words alone with `embedding_table`, but got"),
        ({"embedding_table": True, "words": ["cat"], "layers": [0, 1]}, "spec.encode.layers", "layer 0 alone"),
        ({"embedding_table": True, "words": ["cat"], "ignore_case": True}, "spec.ignore_case", "Expected false"),
        ({"embedding_table": True, "words": ["cat"], "min_count": 2}, "spec.min_count", "at most 1"),
        ({"embedding_table": True, "words": ["cat"], "backend": "onnx"}, "spec.encode.backend", "BACKEND_TORCH"),
    ):
        with pytest.raises(InvalidRequest, match=problem) as caught:
            mesh.encoder.encode_words(TEXTS, **{"model": "tiny", **options})  # type: ignore[arg-type]
        assert caught.value.field == field


def test_results_say_which_model_the_words_are_from(mesh: LocalMesh) -> None:
    drawn = babelscope.Model("tiny").reinit_layers([1], seed=3)
    views = {
        "words": mesh.encoder.encode_words(TEXTS[:20], model=drawn, layers=[0], pooling="word_first").view("en"),
        "table": mesh.encoder.encode_words(words=WORDS, model="tiny", embedding_table=True).view("en"),
        "texts": View(activations=mesh.encoder.encode(TEXTS[:20], model=drawn, layers=[0], pooling="cls")),
        "array": View(activations=np.eye(3)),
    }
    uses = Views(views, {}).uses
    assert {name: (use.model, use.reinit, use.pooling) for name, use in uses.items()} == {
        "words": ("tiny", "1@3", "word_first"),
        "table": ("tiny", "", "embedding_table"),
        "texts": ("tiny", "1@3", "cls"),
        "array": ("", "", ""),
    }
