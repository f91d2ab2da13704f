"""Token translation with real servers: means against plain transformers, and the command from files to tables."""

import csv
import json
from pathlib import Path
from typing import Any

import babelscope
import numpy as np
import pytest
import torch
from babelscope.cli import run
from babelscope.corpora.parallel import ParallelCorpus
from babelscope.data.comparison import TIDY_COLUMNS
from babelscope.data.models import Model
from babelscope.data.texts import Text
from babelscope.token_translation.means import language_mean
from babelscope.token_translation.sweep import Sweep, translate
from transformers import AutoModelForMaskedLM, AutoTokenizer

from tests.support.tiny_models import build_model, mixed_texts

LANGUAGES = {"en": 41, "de": 42}


@pytest.fixture(scope="module", autouse=True)
def masked(model_root: Path) -> Path:
    """A BERT with its head, `masked`, among the models of the mesh."""
    build_model("bert", model_root / "masked", head=True, seed=4)
    return model_root / "masked"


@pytest.fixture(scope="module")
def corpus() -> ParallelCorpus:
    """Forty texts of either language, of which 38 have the same ids."""
    return ParallelCorpus(
        {
            language: tuple(
                Text(f"s{place + 2 * (language == 'de')}", text, language)
                for place, text in enumerate(mixed_texts(40, seed=seed, longest=20))
            )
            for language, seed in LANGUAGES.items()
        }
    )


class Plain:
    """The same model in transformers, one text at a time."""

    def __init__(self, folder: Path) -> None:
        self.model = AutoModelForMaskedLM.from_pretrained(folder, dtype=torch.float32).eval()
        self.tokenizer = AutoTokenizer.from_pretrained(folder)

    def mean(self, texts: tuple[Text, ...], layer: int) -> Any:
        rows = []
        for text in texts:
            with torch.no_grad():
                states = self.model(**self.tokenizer(text.text, return_tensors="pt"), output_hidden_states=True)
            rows.append(states.hidden_states[layer][0, 1:-1].double().numpy())
        return np.concatenate(rows).mean(axis=0)

    def pieces(self, text: str) -> str:
        return " ".join(self.tokenizer.tokenize(text))

    def translated(self, text: str, layer: int, shift: Any) -> str:
        def edit(_: Any, __: Any, hidden: torch.Tensor) -> torch.Tensor:
            hidden = hidden.clone()
            hidden[:, 1:-1] += torch.from_numpy(shift)
            return hidden

        handle = self.model.bert.encoder.layer[layer - 1].register_forward_hook(edit)
        with torch.no_grad():
            best = self.model(**self.tokenizer(text, return_tensors="pt")).logits[0, 1:-1].argmax(-1)
        handle.remove()
        return " ".join(self.tokenizer.convert_ids_to_tokens(best.tolist()))


def test_means_and_translations_are_those_of_transformers(
    mesh: babelscope.LocalMesh, masked: Path, corpus: ParallelCorpus
) -> None:
    plain = Plain(masked)
    layers = (1, 3)
    means = {
        language: language_mean(mesh.encoder, texts, model="masked", layers=layers)
        for language, texts in corpus.texts.items()
    }
    for language, texts in corpus.texts.items():
        assert means[language].tokens == sum(len(plain.tokenizer.tokenize(text.text)) for text in texts)
        for row, layer in zip(means[language].vectors, layers, strict=True):
            np.testing.assert_allclose(row, plain.mean(texts, layer), atol=2e-5)
    sweep = Sweep(Model("masked"), layers, (0.5, 2.0), samples=4, resamples=20)
    found = translate(mesh, corpus, ("en", "de"), means, sweep)
    assert (found.texts, found.layers, found.alphas) == (38, layers, (0.5, 2.0))
    texts, references = corpus.pair("en", "de")
    shift = means["en"].shift_to(means["de"], found.best.layer or 0)
    assert found.best.value("bleu1") == max(each.value("bleu1") or 0.0 for each in found.shifted)
    for text, reference, sample in zip(texts, references, found.samples, strict=False):
        assert (sample.id, sample.source, sample.reference) == (text.id, text.text, reference.text)
        expected = [plain.translated(text.text, found.best.layer or 0, np.float32(a) * shift) for a in (0.0, 0.5, 2.0)]
        assert [output.text for output in sample.outputs] == expected
    source = {piece for text in texts for piece in plain.pieces(text.text).split()}
    target = {piece for text in references for piece in plain.pieces(text.text).split()}
    assert (found.source_set, found.target_set, found.shared_set) == (len(source), len(target), len(source & target))
    lines = [plain.translated(text.text, 3, np.float32(2.0) * means["en"].shift_to(means["de"], 3)) for text in texts]
    said = [piece for line in lines for piece in line.split()]
    rate = sum(each in target - source for each in said) / sum(each not in source & target for each in said)
    assert found.at(3, 2.0).value("convert_rate") == pytest.approx(rate)


def test_means_of_other_models_or_layers_are_refused(mesh: babelscope.LocalMesh, corpus: ParallelCorpus) -> None:
    mean = language_mean(mesh.encoder, corpus.texts["en"], model="masked", layers=[1])
    drawn = Model("masked").reinit_layers([1])
    other = language_mean(mesh.encoder, corpus.texts["en"], model=drawn, layers=[1])
    with pytest.raises(ValueError, match="Expected means of one model"):
        mean.shift_to(other, 1)
    with pytest.raises(ValueError, match=r"one of the layers \[1\], but got 2"):
        mean.shift_to(mean, 2)
    with pytest.raises(ValueError, match="at least one text"):
        language_mean(mesh.encoder, (), model="masked", layers=[1])


@pytest.fixture
def files(tmp_path: Path, corpus: ParallelCorpus) -> list[str]:
    """The corpus as options of the command."""
    options = []
    for language, texts in corpus.texts.items():
        path = tmp_path / f"{language}.tsv"
        path.write_text("id\ttext\n" + "".join(f"{text.id}\t{text.text}\n" for text in texts), encoding="utf-8")
        options += ["--corpus", f"{language}={path}"]
    return options


def _address(mesh: babelscope.LocalMesh) -> list[str]:
    parts = [f"{name}={mesh.addresses[name]}" for name in ("encoder", "metrics")]
    return ["--mesh", ",".join(parts)]


def test_the_command_writes_tidy_tables(
    mesh: babelscope.LocalMesh, files: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    options = ["--model", "masked", "--from", "en", "--to", "de", *files, "--layers", "2-3", "--alphas", "1,2.5"]
    assert run(["translate-tokens", *options, "--both", "--out", str(out), *_address(mesh)]) == 0
    assert "en to de: best BLEU-1" in capsys.readouterr().err
    with (out / "results.csv").open(encoding="utf-8", newline="") as table:
        reader = csv.DictReader(table)
        assert tuple(reader.fieldnames or ()) == TIDY_COLUMNS
        rows = list(reader)
    assert {row["kind"] for row in rows} == {"token_translation"}
    keys = {(row["source"], row["target"], row["metric"], row["estimator"], row["layer"]) for row in rows}
    for pair in (("en", "de"), ("de", "en")):
        for layer, estimator in [("", "plain"), *((lay, est) for lay in "23" for est in ("alpha=1", "alpha=2.5"))]:
            assert {(*pair, metric, estimator, layer) for metric in ("bleu1", "convert_rate")} <= keys
        assert {(*pair, "token_set_size", name, "") for name in ("source", "target", "shared")} <= keys
    assert all("shift:" in row["signature"] for row in rows if row["metric"] == "bleu1")
    record = json.loads((out / "results.json").read_text(encoding="utf-8"))
    assert [(each["source"], each["target"]) for each in record["translations"]] == [("en", "de"), ("de", "en")]
    assert len(record["translations"][0]["samples"]) == 3


def test_texts_that_were_cut_are_counted(
    mesh: babelscope.LocalMesh, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    corpora = []
    for language, long in (("en", 2), ("de", 1)):
        lines = ["the river " * (200 if number < long else 3) for number in range(6)]
        (tmp_path / f"{language}.txt").write_text("\n".join(lines) + "\n")
        corpora += ["--corpus", f"{language}={tmp_path / language}.txt"]
    options = ["--model", "masked", "--from", "en", "--to", "de", *corpora, "--layers", "2", "--alphas", "1"]
    assert run(["translate-tokens", *options, *_address(mesh)]) == 1
    assert "or let it be cut (overflow: truncate)" in capsys.readouterr().err
    assert run(["translate-tokens", *options, "--overflow", "truncate", *_address(mesh)]) == 0
    said = capsys.readouterr().err
    assert "2 of 6 texts of en were cut" in said
    assert "1 of 6 texts of de were cut" in said


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        (["--from", "en", "--to", "fr"], "--corpus fr=FILE, but got files of en, de only"),
        (["--from", "en", "--to", "en"], "another language in --to"),
        (["--from", "en", "--to", "de", "--corpus", "fr=x"], "--corpus only of languages in --from and --to"),
        (["--from", "en", "--to", "de", "--alphas", "one"], "numbers such as 1,2,3 in --alphas"),
        (["--from", "en", "--to", "de", "--alphas", "inf"], "finite numbers in --alphas"),
        (["--from", "en", "--to", "de", "--sentences", "2"], "ids that both en and de have, but they share none"),
    ],
)
def test_wrong_usage(files: list[str], options: list[str], problem: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["translate-tokens", "--model", "masked", *options, *files, "--mesh", "127.0.0.1"]) == 2
    assert problem in capsys.readouterr().err
