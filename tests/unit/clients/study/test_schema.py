"""Study files are read strictly."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from babelscope.errors import StudyError
from babelscope.study import Overrides, load_study
from babelscope.study.design import MeasureDesign, ModelDesign, RandomInitDesign

Write = Callable[..., Path]
PATTERN = 'pattern: "{language}.txt"'

WHOLE = """
name: whole
title: Everything at once
corpus:
  files: {en: a/en.tsv, fr: b/fr.tsv, zh-Hant: c/zh.tsv}
  format: tsv
  column: text
  id_column: id
languages: [fr, en, zh-Hant]
sources: [en]
sentences: 100
models:
  - {name: org/big, label: Big, revision: main, fallback: small}
  - small
layers: [0, 6, 3]
pooling: cls
pairs: sources
measures: [svcca, {name: cka, estimator: biased}, {name: svcca, variance: 0.9},
  {name: rbf, options: {sample: 100, deep: true}}]
standardise: true
drop_top_variance: 2
random_init:
  groups: {lower: 1-3, 4: 4, odd: [5, 1]}
  seeds: [0, 7]
  scheme: torch_default
  pairs: all
  retrieval: true
retrieval: {similarities: [csls], centre: [false, true], pairs: all}
overflow: refuse
alignment: strict
backend: onnx
compute_dtype: int8
"""


def test_every_key_is_read(study_file: Write) -> None:
    path = study_file(text=WHOLE.replace("4: 4", "'4': 4"))
    study = load_study(path)
    assert study.corpus.files["en"] == path.parent / "a" / "en.tsv"
    assert (study.corpus.format, study.corpus.column, study.corpus.id_column) == ("tsv", "text", "id")
    assert study.models == (ModelDesign("org/big", "Big", "main", "small"), ModelDesign("small", "small"))
    assert study.layers == (0, 3, 6)
    assert study.computed == {"backend": "onnx", "compute_dtype": "int8"}
    assert study.measures == (
        MeasureDesign("svcca"),
        MeasureDesign("cka", "biased"),
        MeasureDesign("svcca", "", {"variance": "0.9"}),
        MeasureDesign("rbf", "", {"sample": "100", "deep": "true"}),
    )
    assert study.random_init == RandomInitDesign(
        {"lower": (1, 2, 3), "4": (4,), "odd": (1, 5)}, (0, 7), "torch_default", "all", True
    )
    assert study.retrieval is not None
    assert study.retrieval.centre == (False, True)
    assert (study.overflow, study.alignment, study.pooling, study.standardise) == ("refuse", "strict", "cls", True)
    assert study.language_pairs("sources") == (("en", "fr"), ("en", "zh-Hant"))
    assert study.language_pairs("all") == (("fr", "en"), ("fr", "zh-Hant"), ("en", "zh-Hant"))


def test_what_is_left_out_has_the_plain_meaning(study_file: Write) -> None:
    study = load_study(study_file())
    assert study.sources == ("en",)
    assert study.measures == (MeasureDesign("cka"),)
    assert (study.layers, study.random_init, study.retrieval, study.sentences) == (None, None, None, 0)


def test_pairs_of_layers_follow_the_model() -> None:
    groups = RandomInitDesign().layers_of
    assert groups(6) == {"1-2": (1, 2), "3-4": (3, 4), "5-6": (5, 6)}
    assert list(groups(12)) == ["1-2", "3-4", "5-6", "7-8", "9-10", "11-12"]
    assert groups(5)["5"] == (5,)


@pytest.mark.parametrize(
    ("extra", "problem"),
    [
        ("colour: red", r"study.yaml: colour: Expected one of the keys name, title, .*, but got 'colour'"),
        ("pooling: max", "pooling: Expected one of mean, cls, but got 'max'"),
        ("layers: [1, -1]", r"layers\[1\]: Expected an integer of at least 0, but got -1"),
        ("layers: [1, 1]", r"layers\[1\]: Expected each item once"),
        ("sentences: many", "sentences: Expected an integer"),
        ("sources: [de]", r"sources\[0\]: Expected one of en, fr, sw, but got 'de'"),
        ("standardise: 1", "standardise: Expected true or false, but got 1"),
        ("measures: []", "measures: Expected a list of at least one item"),
        ("measures: [{estimator: biased}]", r"measures\[0\]: Expected the key name"),
        ("measures: [{name: svcca, variance: 2}]", r"measures\[0\].variance: Expected a number above 0 and at most 1"),
        ("random_init: {groups: {low: 2-1}}", "random_init.groups.low: Expected layers in ascending order"),
        ("random_init: {groups: {low: x}}", "random_init.groups.low: Expected layers such as"),
        ("random_init: {groups: {}}", "random_init.groups: Expected `pairs`, or at least one group"),
        ("random_init: {retrieval: true}", "random_init: Expected `retrieval: true` here only where"),
        ("retrieval: {similarities: [dot]}", r"retrieval.similarities\[0\]: Expected one of cosine, csls"),
        ("name: twice", "the key 'name' is there twice"),
        ("pairs: [", "Expected YAML"),
        ("colour: 2026-13-45", "Expected YAML, but got: month must be in 1..12"),
        ("colour: " + "[" * 5000, "Expected YAML, but got: maximum recursion depth"),
    ],
)
def test_what_is_wrong_is_said_with_its_place(study_file: Write, extra: str, problem: str) -> None:
    with pytest.raises(StudyError, match=problem):
        load_study(study_file(extra))


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ("[en, fr, sw]", "[en, no]", r"languages\[1\]: Expected a language tag .*, but got False; YAML reads no"),
        ("[en, fr, sw]", "[en]", "languages: Expected at least two languages"),
        ("name: small", "name: a/b", "name: Expected letters, digits"),
        ("title: Does it run?", "", "Expected the key title"),
        ("models: [tiny]", "models: [{label: x}]", r"models\[0\]: Expected the key name"),
        ("models: [tiny]", "models: [{name: a, label: x}, {name: b, label: x}]", "a label of its own"),
        ("models: [tiny]", "models: [{name: a, fallbak: b}]", r"models\[0\].fallbak: Expected one of the keys"),
        (PATTERN, "format: csv", "corpus: Expected one of the keys pattern, files and datasets"),
        (PATTERN, "files: {en: a, fr: b}", "corpus.files: Expected a file for language sw"),
        (
            'pattern: "{language}.txt"',
            "pattern: ${HOME}/x",
            "corpus.pattern: Expected variables whose names begin with",
        ),
        (
            'pattern: "{language}.txt"',
            "pattern: ${BABELSCOPE_NOWHERE}/x",
            "the environment variable BABELSCOPE_NOWHERE",
        ),
        (
            'pattern: "{language}.txt"',
            'pattern: "{language}.txt"\n  format: csv',
            "corpus.format: Expected one of tatoeba",
        ),
    ],
)
def test_what_is_wrong_in_needed_keys_is_said(study_file: Write, old: str, new: str, problem: str) -> None:
    path = study_file()
    path.write_text(path.read_text().replace(old, new))
    with pytest.raises(StudyError, match=problem):
        load_study(path)


def test_a_file_that_is_not_there_or_not_text(tmp_path: Path) -> None:
    with pytest.raises(StudyError, match="a readable file"):
        load_study(tmp_path / "absent.yaml")
    (tmp_path / "bytes.yaml").write_bytes(b"\xff\xfe")
    with pytest.raises(StudyError, match="Expected UTF-8"):
        load_study(tmp_path / "bytes.yaml")
    (tmp_path / "list.yaml").write_text("- a\n")
    with pytest.raises(StudyError, match="Expected a mapping"):
        load_study(tmp_path / "list.yaml")


def test_yaml_makes_no_objects(tmp_path: Path) -> None:
    (tmp_path / "evil.yaml").write_text("name: !!python/object/apply:os.getcwd []\n")
    with pytest.raises(StudyError, match="Expected YAML"):
        load_study(tmp_path / "evil.yaml")


def test_variables_of_this_project_are_filled_in(
    study_file: Write, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    path = study_file()
    path.write_text(path.read_text().replace('"{language}.txt"', "${BABELSCOPE_SHARED_DATA:-../x}/{language}.txt"))
    monkeypatch.delenv("BABELSCOPE_SHARED_DATA", raising=False)
    assert load_study(path).corpus.files["fr"] == tmp_path.parent / "x" / "fr.txt"
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("BABELSCOPE_SHARED_DATA", "data")
    assert load_study(path).corpus.files["fr"] == tmp_path / "data" / "fr.txt"


def test_variables_are_filled_in_in_names_of_models(study_file: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    path = study_file()
    line = next(each for each in path.read_text().splitlines() if each.startswith("models:"))
    given = 'models: ["${BABELSCOPE_PAIR:-pair}", {name: other, fallback: "${BABELSCOPE_PAIR:-pair}"}]'
    path.write_text(path.read_text().replace(line, given))
    monkeypatch.delenv("BABELSCOPE_PAIR", raising=False)
    assert [(each.name, each.fallback) for each in load_study(path).models] == [("pair", ""), ("other", "pair")]
    monkeypatch.setenv("BABELSCOPE_PAIR", "checkpoints/1")
    [first, second] = load_study(path).models
    assert (first.name, first.label, second.fallback) == ("checkpoints/1", "checkpoints/1", "checkpoints/1")


def test_bundled_files_stay_in_the_package(study_file: Write) -> None:
    path = study_file()
    path.write_text(path.read_text().replace('"{language}.txt"', '"bundled:../../sample.tsv"'))
    found = load_study(path).corpus.files["en"]
    assert found.parts[-3:] == ("babelscope", "samples", "sample.tsv")


def test_overrides(study_file: Write) -> None:
    path = study_file("sources: [sw, en]\nsentences: 50")
    study = load_study(path, Overrides(model="other", languages=("en", "zh"), sentences=5))
    assert study.models == (ModelDesign("other", "other"),)
    assert (study.languages, study.sources, study.sentences) == (("en", "zh"), ("en",), 5)
    assert study.corpus.files["zh"].name == "zh.txt"
    assert load_study(path, Overrides(languages=("fr", "zh"))).sources == ("fr",)


def test_the_studies_of_this_repository_are_sound() -> None:
    folder = Path(__file__).resolve().parents[4] / "studies"
    studies = [load_study(path) for path in sorted(folder.glob("*.yaml"))]
    assert {study.name for study in studies} >= {
        "demo", "dictionaries", "emergence", "emergence-small", "emergence-text", "pud-similarity",
        "similarity-and-transfer", "tatoeba",
    }  # fmt: skip
    assert all(path.stem == study.name for path, study in zip(sorted(folder.glob("*.yaml")), studies, strict=True))
    # A variable that stands as it is would be taken for a name.
    assert not [study.name for study in studies if "${" in json.dumps(study.to_json())]


def test_a_study_tells_of_its_options_and_not_of_its_place(study_file: Write) -> None:
    study = load_study(study_file("measures: [cka, {name: rbf, options: {place: here}}]\nmaps: {method: muse}\n"))
    values = study.to_json()
    assert values["measures"] == [
        {"name": "cka", "estimator": "", "options": {}},
        {"name": "rbf", "estimator": "", "options": {"place": "here"}},
    ]
    assert "place" not in values["sections"]["maps"][0]
    assert values["corpus"]["files"]["en"] == "en.txt"
