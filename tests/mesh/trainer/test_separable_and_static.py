"""Separable models and static vectors through real servers."""

from pathlib import Path
from typing import Any

import babelscope
import pytest
from babelscope import Architecture, InvalidRequest, Separation, Text, View
from babelscope.cli import run
from babelscope.corpora.vocabularies import to_examples

from tests.support.pretraining import lines, vocabulary
from tests.support.separable import DATA, description, words_of

SMALL = Architecture(
    layers=2,
    hidden_size=32,
    heads=2,
    feed_forward=64,
    max_tokens=32,
    initializer_range=0.1,
    separation=Separation(embeddings=True, layers=1, softmax=True),
)


@pytest.fixture(scope="module")
def sets(mesh: babelscope.LocalMesh) -> dict[str, str]:
    """Stored datasets by name."""
    names = {name: mesh.datagen.put_dataset(DATA[name]).name for name in ("en", "sv", "dev-en")}
    names["parts"] = mesh.datagen.put_dataset(DATA["datasets/parts"]).name
    names["words"] = mesh.datagen.put_dataset(list(to_examples(vocabulary()))).name
    return names


def test_a_separable_model_is_trained_served_and_compared_by_language(
    mesh: babelscope.LocalMesh, sets: dict[str, str]
) -> None:
    job = mesh.trainer.pretrain_mlm(
        SMALL,
        {"en": sets["en"], "sv": sets["sv"]},
        vocabulary=sets["parts"],
        dev={"en": sets["dev-en"]},
        random_within_language=True,
        learning_rate=5e-3,
        step_tokens=512,
    )
    assert job.spec.architecture.separation.layers == 1
    job = mesh.trainer.wait_for_job(job.name)
    assert job.state == "succeeded", (job.reason, mesh.logs["trainer"].read_text()[-2000:])
    texts = {language: [str(each.content) for each in lines(12, 9, language)] for language in ("en", "sv")}
    with pytest.raises(InvalidRequest, match=r"must be told, one of en, sv, but got none"):
        mesh.encoder.encode(texts["en"], model=job.checkpoint)
    hidden = mesh.encoder.encode(texts["en"], model=job.checkpoint, language="en", layers=[0, 1, 2])
    other = mesh.encoder.encode(texts["en"], model=job.checkpoint, language="sv", layers=[0, 1, 2])
    assert hidden.info.model.languages == ("en", "sv")
    assert (hidden.array != other.array).any()
    views = {language: View(texts=each, language=language) for language, each in texts.items()}
    found = mesh.metrics.compare(views, model=job.checkpoint)
    assert {row["layer"] for row in found.table()} >= {0, 1, 2}
    said = mesh.encoder.predict_tokens([Text("1", texts["sv"][0], "sv")], model=job.checkpoint)
    assert len(said.texts) == 1


@pytest.mark.parametrize("kind", ["word2vec", "glove"])
def test_static_vectors_are_trained_and_answer_with_one_layer(
    kind: str, mesh: babelscope.LocalMesh, sets: dict[str, str]
) -> None:
    train = {"en": sets["en"], "sv": sets["sv"]}
    how: dict[str, Any] = {"dimension": 8, "window": 4, "max_tokens": 32, "epochs": 2}
    job = mesh.trainer.pretrain_static(kind, train, vocabulary=sets["words"], **how)
    job = mesh.trainer.wait_for_job(job.name)
    assert job.state == "succeeded", (job.reason, mesh.logs["trainer"].read_text()[-2000:])
    assert (job.kind, job.spec.dimension, job.spec.batch) == ("pretrain_static", 8, 4096)
    checkpoint = mesh.trainer.get_checkpoint(job.checkpoint)
    assert (checkpoint.family, checkpoint.layers, checkpoint.task) == ("static", 0, kind)
    hidden = mesh.encoder.encode(["en3 en4"], model=job.checkpoint)
    assert (hidden.info.model.layers, hidden.info.model.hidden_size) == (0, 8)
    words = mesh.encoder.encode_words(["en3 en4", "en4 sv1"], model=job.checkpoint)
    assert sorted(words.words) == ["en3", "en4", "sv1"]


def test_static_vectors_by_the_command(
    mesh: babelscope.LocalMesh, sets: dict[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "tokenizer.json").write_text(vocabulary())
    common = ["--mesh", mesh.address, "--corpus", f"en={sets['en']}", "--out", f"{tmp_path}/out"]
    small = ["--vocabulary", f"{tmp_path}/tokenizer.json", "--dimension", "4", "--epochs", "1", "--max-tokens", "32"]
    assert run(["pretrain-static", "--kind", "glove", *common, *small]) == 0
    assert "Checkpoint: checkpoints/" in capsys.readouterr().err
    assert run(["pretrain-static", "--kind", "lsa", *common, *small]) == 2
    for wrong, problem in (
        (["--negative", "3"], "Expected no --negative with --kind glove"),
        (["--vocabulary", "{language}.json"], "Expected --vocabulary of all languages together"),
    ):
        assert run(["pretrain-static", "--kind", "glove", *common, *small, *wrong]) == 2
        assert problem in capsys.readouterr().err
    with pytest.raises(ValueError, match="kind"):
        mesh.trainer.pretrain_static("lsa", {"en": sets["en"]}, vocabulary=sets["words"])
    with pytest.raises(InvalidRequest) as raised:
        mesh.trainer.pretrain_static("glove", {"en": sets["en"]}, vocabulary=sets["words"], exponent=2.0)
    assert raised.value.field == "job.pretrain_static.exponent"


def test_vocabularies_of_each_language_by_the_command(
    mesh: babelscope.LocalMesh, sets: dict[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for language in ("en", "sv"):
        (tmp_path / f"{language}.json").write_text(description(words_of(language)))
    common = ["--mesh", mesh.address, "--out", f"{tmp_path}/out", "--vocabulary", f"{tmp_path}/{{language}}.json"]
    common += [option for language in ("en", "sv") for option in ("--corpus", f"{language}={sets[language]}")]
    small = ["--layers", "1", "--width", "32", "--heads", "2", "--max-tokens", "32", "--step-tokens", "512"]
    assert run(["pretrain", *common, *small, "--separate-layers", "1", "--prefixed"]) == 0
    assert "Checkpoint: checkpoints/" in capsys.readouterr().err
