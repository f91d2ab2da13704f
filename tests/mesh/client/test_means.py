"""Means of corpora and what is done with them, through real servers and the command line."""

import csv
from pathlib import Path

import babelscope
import babelscope.aio
import numpy as np
import pytest
from babelscope import Intervention, InvalidRequest, LayerMeans, LocalMesh, Model, Shift, Text, shift
from babelscope.cli import run

from tests.support.encoder_calls import sentences

EN, DE = sentences(90, 1), sentences(70, 2)
OPTIONS = {"model": "tiny", "overflow": "truncate", "max_tokens": 24}


def _content(mesh: LocalMesh, texts: list[str], **options: object) -> np.ndarray:
    """Hidden states of all tokens that are not special, [n, K, d]."""
    found = mesh.encoder.encode(texts, pooling="token", **{**OPTIONS, **options})
    return np.concatenate([found.rows(place)[1:-1] for place in range(len(texts))])


async def test_the_means_of_both_twins_are_over_all_tokens(mesh: LocalMesh) -> None:
    told: list[int] = []
    found = mesh.encoder.mean_activations(EN, progress=lambda progress: told.append(progress.done), **OPTIONS)
    tokens = _content(mesh, EN)
    np.testing.assert_allclose(found.array, tokens.mean(0, dtype=np.float64), atol=1e-6)
    assert (found.array.dtype, found.layers) == (np.float64, (0, 1, 2))
    assert (found.tokens, found.texts, told[-1]) == (len(tokens), 90, 90)
    assert found.truncated == sum(len(text.split()) > 22 for text in EN) > 0
    async with babelscope.aio.connect(mesh.address) as aio:
        theirs = await aio.encoder.mean_activations(iter(EN), **OPTIONS)
    np.testing.assert_allclose(theirs.array, found.array, atol=1e-12)
    halves = [mesh.encoder.mean_activations(part, **OPTIONS) for part in (EN[:31], EN[31:])]
    np.testing.assert_allclose(LayerMeans.merge(halves).array, found.array, atol=1e-7)


def test_a_named_shift_is_the_difference_of_the_means(mesh: LocalMesh) -> None:
    source, target = (mesh.encoder.mean_activations(texts, **OPTIONS) for texts in (EN, DE))
    plain = Intervention(1, Shift(target.layer(1) - source.layer(1), 2.0))
    named, given = shift(source.artifact, target.artifact, 1, 2.0), shift(source, target, 1, 2.0)
    states = [_content(mesh, EN[:9], interventions=[edit]) for edit in (plain, named, given)]
    np.testing.assert_allclose(states[1], states[0], atol=1e-6)
    np.testing.assert_array_equal(states[2], states[0])
    moved = mesh.encoder.mean_activations(EN, interventions=[shift(source.artifact, target.artifact, 2)], **OPTIONS)
    np.testing.assert_allclose(moved.layer(2), target.layer(2), atol=1e-6)
    assert mesh.metrics.compare(
        {"a": EN[:40], "b": EN[:40]}, model="tiny", interventions=[named], overflow="truncate"
    ).estimates


def test_means_of_another_model_of_equal_width_are_refused(mesh: LocalMesh) -> None:
    source, target = (mesh.encoder.mean_activations(texts, **OPTIONS) for texts in (EN, DE))
    other = Model("tiny").reinit_layers([2])
    for means in ((source, target), (source.artifact, target.artifact), (source, target.artifact)):
        assert _content(mesh, EN[:3], interventions=[shift(*means, 1)]).any()
        with pytest.raises(InvalidRequest, match="was computed with model tiny") as caught:
            _content(mesh, EN[:3], model=other, interventions=[shift(*means, 1)])
        assert caught.value.field.startswith("spec.interventions[0].shift.")
        allowed = shift(*means, 1, allow_other_model=True)
        assert _content(mesh, EN[:3], model=other, interventions=[allowed]).any()


def test_a_map_of_another_model_of_equal_width_is_refused(mesh: LocalMesh) -> None:
    parallel = [Text(str(place), text) for place, text in enumerate(EN[:40])]
    options = {"normalisation": "centre"}
    found = mesh.metrics.fit_map(parallel, parallel, model="tiny", layers=[1], overflow="truncate", options=options)[1]
    assert _content(mesh, EN[:3], interventions=[found.intervention()]).any()
    other = Model("tiny").reinit_layers([2])
    with pytest.raises(InvalidRequest, match="one of another model") as caught:
        _content(mesh, EN[:3], model=other, interventions=[found.intervention()])
    assert caught.value.field == "spec.interventions[0].linear_map.matrix"
    assert _content(mesh, EN[:3], model=other, interventions=[found.intervention(allow_other_model=True)]).any()


def test_wrong_requests_are_named(mesh: LocalMesh) -> None:
    with pytest.raises(InvalidRequest, match="Expected one of POOLING_MEAN, but got POOLING_CLS") as caught:
        mesh.encoder.mean_activations(EN, model="tiny", pooling="cls")
    assert caught.value.field == "spec.pooling"
    with pytest.raises(InvalidRequest, match="at least one text"):
        mesh.encoder.mean_activations([], model="tiny")
    some = mesh.encoder.mean_activations(EN, layers=[0, 1], **OPTIONS)
    edit = shift(some.artifact, some.artifact, 2)
    with pytest.raises(InvalidRequest, match=r"one of \[0, 1\], but got 2") as caught:
        mesh.encoder.encode(EN, model="tiny", interventions=[edit])
    assert caught.value.field == "spec.interventions[0].shift.vector.artifact"
    other = Intervention(1, Shift(some.artifact, origin=np.zeros(3)))
    with pytest.raises(InvalidRequest, match=r"the shape of `vector`, \[32\], but got \[3\]"):
        mesh.encoder.encode(EN, model=Model("tiny"), interventions=[other])


def test_commands_shift_one_language_to_the_other(
    mesh: LocalMesh, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    files = {}
    for language, texts in (("en", EN[:60]), ("de", DE[:60])):
        files[language] = tmp_path / f"{language}.txt"
        files[language].write_text("\n".join(texts) + "\n")
    address = ["--mesh", mesh.address, "--model", "tiny"]
    corpora = [f"{language}={path}" for language, path in files.items()]
    means = ["means", "--corpus", corpora[0], "--corpus", corpora[1], "--out", str(tmp_path / "means"), *address]
    assert run(means) == 0
    names = [line.split("\t")[-1] for line in capsys.readouterr().out.splitlines()[1:]]
    assert all(name.startswith("vectors/") for name in names)
    with (tmp_path / "means" / "results.csv").open(newline="") as file:
        assert len(list(csv.DictReader(file))) == 2 * 3
    parallel = ["--parallel", corpora[0], "--parallel", corpora[1], "--measure", "cosine", "--layers", "2", *address]
    values = []
    by_file = [str(tmp_path / "means" / f"means-{language}.npz") for language in files]
    for edits in (
        [],
        ["--shift", f"layer=2,from={names[0]},to={names[1]},language=en"],
        ["--shift", f"layer=2,from={by_file[0]},to={by_file[1]},language=en"],
        ["--shift", f"layer=2,from={names[0]},to={names[1]}"],
    ):
        assert run(["compare", *parallel, *edits]) == 0
        values.append(float(capsys.readouterr().out.splitlines()[1].split("\t")[5]))
    assert values[1] == pytest.approx(values[2], abs=1e-6)
    assert len({round(value, 7) for value in values}) == 3
    for wrong in ("layer=2", "layer=x,from=a.npz,to=b.npz", f"layer=2,from={names[0]},to={names[1]},beta=1"):
        assert run(["compare", *parallel, "--shift", wrong]) == 2
    assert "Expected --shift with each of layer, from, to" in capsys.readouterr().err
