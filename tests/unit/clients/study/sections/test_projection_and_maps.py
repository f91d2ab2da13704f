"""Coordinates and maps: what is asked, and what is kept of the answers."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest
from babelscope.calls.maps import FittedMap
from babelscope.calls.projection import Projection
from babelscope.calls.views import View
from babelscope.errors import StudyError
from babelscope.study import Study, StudyResult
from babelscope.study.sections import maps, projection

Read = Callable[..., Study]
Run = Callable[[Study], StudyResult]


def project(views: Mapping[str, View], components: int, **options: Any) -> Projection:
    layers = options["layers"] or (0, 1, 2)
    coordinates = {
        (name, layer): np.float32(
            [[0.1 * row + layer, at] + [0] * (components - 2) for row in range(len(view.texts or ()))]
        )
        for at, (name, view) in enumerate(views.items())
        for layer in layers
    }
    ids = {name: tuple(text.id for text in view.texts or ()) for name, view in views.items()}  # type: ignore[union-attr]
    explained = dict.fromkeys(layers, (0.5, 0.25)) if options["method"] == "pca" else {}
    return Projection(coordinates, ids, explained, {layer: f"layer:{layer}" for layer in layers}, {0: ("beware",)})


@pytest.fixture
def mesh(mesh):  # type: ignore[no-untyped-def]
    """The mesh, with projections and maps of layers; the map of layer 1 is not affine."""

    def keep(name: str, answer: Callable[..., Any]) -> Callable[..., Any]:
        def ask(*arguments: Any, **options: Any) -> Any:
            mesh.calls.append((name, {"arguments": arguments, **options}))
            return answer(*arguments, **options)

        return ask

    def fit_map(source: View, target: View, method: str, **options: Any) -> dict[int, FittedMap]:
        pairs = (("s0", "s0"), ("s1", "s2"), ("s3", "s3"))
        trace = (0.5, 0.6 + options["seed"] / 10)
        return {
            layer: FittedMap(layer, f"maps/s{layer}", f"maps/t{layer}", trace, pairs, f"map:{method}", layer != 1)
            for layer in options["layers"] or (0, 1, 2)
        }

    mesh.project = keep("project", project)
    mesh.fit_map = keep("fit_map", fit_map)
    return mesh


def asked(mesh: Any, name: str) -> list[dict[str, Any]]:
    return [call for each, call in mesh.calls if each == name]


def test_coordinates_of_all_languages_on_one_set_of_axes(section: Read, run: Run, mesh) -> None:
    result = run(section("projection: {sentences: 5, layers: [0, 2]}", languages=("en", "fr")))
    first, second = projection.SECTION.records(result)
    assert (first.layer, second.layer, first.explained, first.signature) == (0, 2, (0.5, 0.25), "layer:0")
    assert [cloud.language for cloud in first.clouds] == ["en", "fr"]
    assert first.clouds[1].ids == ("s0", "s1", "s2", "s3", "s4")
    assert second.clouds[1].coordinates[3] == (2.3, 1.0)
    assert first.warnings == ("beware",)
    (call,) = asked(mesh, "project")
    assert (call["layers"], call["method"], call["overflow"], call["arguments"][1]) == ((0, 2), "pca", "truncate", 2)


def test_umap_explains_nothing_and_takes_its_seed(section: Read, run: Run, mesh) -> None:
    study = section("projection: [{method: umap, seed: 3, components: 3, languages: [fr, en]}]")
    first, *_ = projection.SECTION.records(run(study))
    assert (first.method, first.explained, len(first.clouds[0].coordinates[0])) == ("umap", (), 3)
    assert [cloud.language for cloud in first.clouds] == ["fr", "en"]
    assert asked(mesh, "project")[0]["seed"] == 3
    run(study)
    assert len(asked(mesh, "project")) == 1


def test_tokens_are_encoded_first(section: Read, run: Run, mesh) -> None:
    def encode(texts: Any, **options: Any) -> Any:
        mesh.calls.append(("encode", {"texts": texts, **options}))
        return "rows"

    def project(views: Mapping[str, View], components: int, **options: Any) -> Projection:
        assert [(view.activations, view.language) for view in views.values()] == [("rows", "en"), ("rows", "fr")]
        one = {(name, 1): np.float32([[1, 2]]) for name in views}
        return Projection(one, dict.fromkeys(views, ("s0#0",)), {1: (0.5, 0.25)}, {1: "signature"})

    mesh.encode, mesh.project = encode, project
    study = section("projection: {rows: tokens, sentences: 4, layers: [1]}", languages=("en", "fr"))
    (found,) = projection.SECTION.records(run(study))
    assert (found.rows, found.clouds[0].ids) == ("tokens", ("s0#0",))
    assert [(len(call["texts"]), call["pooling"], call["layers"]) for call in asked(mesh, "encode")] == [
        (4, "token", (1,)), (4, "token", (1,))
    ]  # fmt: skip


def test_a_map_is_measured_on_sentences_that_it_has_not_seen(section: Read, run: Run, mesh, monkeypatch) -> None:
    monkeypatch.setattr(maps, "MINIMUM", 1)
    study = section(
        "maps: {method: procrustes, seeds: [0, 4], holdout: 0.4, options: {normalisation: centre, refinements: 2}}",
        languages=("en", "fr"),
    )
    records = maps.SECTION.records(run(study))
    assert [(each.seed, each.layer) for each in records] == [(seed, layer) for seed in (0, 4) for layer in (0, 1, 2)]
    assert records[4].trace == (0.5, pytest.approx(1.0))
    assert (records[0].induced, records[0].right) == (3, 2)
    fit = asked(mesh, "fit_map")[0]
    source, target, method = fit["arguments"]
    fitted, held = ({text.id for text in view.texts} for view in (source, asked(mesh, "retrieve")[0]["views"]["en"]))
    assert {text.id for text in target.texts} == fitted
    assert fitted | held == {f"s{at}" for at in range(6)}
    assert not fitted & held
    assert (method, fit["options"], fit["seed"]) == ("procrustes", {"normalisation": "centre", "refinements": "2"}, 0)
    # As it is and mapped, both directions and similarities; the map of layer 1 is not affine.
    assert [len(each.precision) for each in records[:3]] == [8, 4, 8]
    moved = asked(mesh, "retrieve")[1]["views"]
    (edit,) = moved["en"].interventions
    assert (edit.layer, edit.linear_map.matrix, edit.linear_map.bias) == (0, "maps/s0", "maps/s0")
    assert moved["fr"].interventions[0].linear_map.matrix == "maps/t0"
    assert [call["layers"] for call in asked(mesh, "retrieve")[:3]] == [(0, 1, 2), (0,), (2,)]


def test_what_is_held_out_is_held_out_whatever_the_share() -> None:
    names = [f"s{at}" for at in range(2000)]
    half = {name for name in names if maps.is_held(name, 0.5)}
    assert 900 < len(half) < 1100
    assert {name for name in names if maps.is_held(name, 0.2)} < half


@pytest.mark.parametrize(
    ("extra", "problem"),
    [
        ("projection: {method: tsne}", "projection.method: Expected one of pca, umap, but got 'tsne'"),
        ("projection: {components: 1}", "projection.components: Expected an integer of at least 2"),
        ("projection: {languages: [xx]}", r"projection.languages\[0\]: Expected one of en"),
        ("projection: {sentences: 3}", "projection.sentences: Expected an integer of at least 4"),
        ("projection: {layers: [9]}", "Expected `projection.layers` within 0..2 for model tiny, but got 9"),
        ("maps: {}", "maps: Expected the key method"),
        ("maps: {method: rotate}", "study.yaml: maps.method: Expected a map method among procrustes, vecmap, muse"),
        ("maps: {method: procrustez}", "but got 'procrustez'; did you mean 'procrustes'?"),
        (
            "maps: {method: muse, options: {epoch: 1}}",
            "option of muse among .*'epoch'; did you mean 'epochs'",
        ),
        ("maps: {method: muse, holdout: 1}", "maps.holdout: Expected a number above 0 and below 1"),
        ("maps: {method: muse, holdout: 0.01}", "to leave at least 4 sentences on either side, but 0.01 of the 6"),
        ("maps: [{method: muse}, {method: muse, seeds: [1]}]", "maps: Expected a label of its own for each method"),
        ("maps: {method: muse, layers: [9]}", "Expected `maps.layers` within 0..2 for model tiny, but got 9"),
        ("maps: {method: muse, options: {rounds: [1]}}", "maps.options.rounds: Expected a string"),
    ],
)
def test_what_is_wrong_is_said(section: Read, run: Run, extra: str, problem: str) -> None:
    with pytest.raises(StudyError, match=problem):
        run(section(extra))
