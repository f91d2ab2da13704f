"""Token translation: what a study file may say, and the requests it comes to."""

import csv
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from babelscope.calls.predictions import PredictedText, Predictions
from babelscope.data.models import ModelInfo
from babelscope.errors import StudyError
from babelscope.study import Study, StudyResult
from babelscope.study.sections.token_translation import SECTION

Read = Callable[..., Study]
Run = Callable[[Study], StudyResult]


class Translating:
    """Adds to a mesh what sweeps ask of an encoder: every token is its own prediction, every mean the text's length."""

    def __init__(self, mesh: Any) -> None:
        self.calls = mesh.calls
        mesh.tokenize, mesh.stream, mesh.predict_tokens = self.tokenize, self.stream, self.predict_tokens
        mesh.score = self.score

    def tokenize(self, texts: Sequence[Any], **options: Any) -> list[Any]:
        return [
            SimpleNamespace(
                tokens=["^", *text.text.split(), "$"],
                token_ids=range(len(text.text.split()) + 2),
                special=[True, *[False] * len(text.text.split()), True],
                truncated=False,
            )
            for text in texts
        ]

    @contextmanager
    def stream(self, texts: Sequence[Any], **options: Any) -> Iterator[Any]:
        self.calls.append(("means", {"language": texts[0].language, **options}))

        class Stream:
            info = SimpleNamespace(layers=options["layers"], model=ModelInfo("tiny", digest="d-tiny"))

            def __iter__(self) -> Iterator[Any]:
                items = [SimpleNamespace(tokens=len(text.text.split()) + 2) for text in texts]
                rows = [np.full((len(options["layers"]), 8), len(text.text)) for text in texts]
                yield SimpleNamespace(items=items, array=np.stack(rows).astype(np.float32))

        yield Stream()

    def predict_tokens(self, texts: Sequence[Any], *, settings: Any, **options: Any) -> Predictions:
        self.calls.append(("predict", {"settings": settings, **options}))
        words = {word: at for at, word in enumerate(sorted({w for text in texts for w in text.text.split()}), start=1)}
        found = []
        for text in texts:
            ids = np.array([0, *(words[word] for word in text.text.split()), 0], np.int32)
            candidates = np.tile(ids[None, None, :, None], (len(settings), 1, 1, 1))
            found.append(PredictedText(text.id, ids, ids == 0, candidates, np.zeros(candidates.shape, np.float32)))
        pieces = {0: "^", **{at: word for word, at in words.items()}}
        return Predictions(ModelInfo("tiny", digest="d-tiny"), (2,), len(settings), 1, tuple(found), pieces)

    def score(self, name: str, items: Any, *, language: str, options: Any) -> Any:
        self.calls.append((name, {"items": items, "language": language, "options": options}))
        metrics = ["bleu1", "bleu1_precision", "brevity_penalty"] if name == "bleu1" else ["convert_rate"]
        figure = {"value": float(len(self.calls)), "low": 0.0, "high": 1.0, "n": 4, "signature": "s", "warnings": ()}
        estimates = [SimpleNamespace(metric=metric, estimator="corpus", **figure) for metric in metrics]
        if name == "convert_rate":
            sizes = {"source": 7.0, "target": 6.0, "shared": 2.0}
            estimates += [
                SimpleNamespace(metric="token_set_size", estimator=each, **{**figure, "value": size})
                for each, size in sizes.items()
            ]
        return SimpleNamespace(estimates=estimates)


def _count(mesh: Any, kind: str) -> int:
    return sum(name == kind for name, _ in mesh.calls)


def test_directions_share_means_and_are_asked_once(section: Read, run: Run, mesh: Any, tmp_path: Path) -> None:
    Translating(mesh)
    extra = "token_translation: {from: en, to: [fr, de], both: true, layers: [2, 1], alphas: [1, 2.5], samples: 1}"
    result = run(section(extra))
    found = SECTION.records(result)
    assert [(each.source, each.target) for each in found] == [("en", "fr"), ("en", "de"), ("fr", "en"), ("de", "en")]
    assert _count(mesh, "means") == 3
    assert _count(mesh, "predict") == 4
    assert _count(mesh, "bleu1") == _count(mesh, "convert_rate") == 4 * 5
    first = found[0]
    assert (first.layers, first.alphas) == ((1, 2), (1.0, 2.5))
    assert (first.source_set, first.target_set, first.shared_set) == (7, 6, 2)
    assert first.best.value("bleu1") == max(each.value("bleu1") or 0.0 for each in first.shifted)
    assert [(one.layer, one.alpha) for one in first.samples[0].outputs] == [(None, 0.0), (2, 1.0), (2, 2.5)]
    settings = next(options["settings"] for name, options in mesh.calls if name == "predict")
    assert [len(setting) for setting in settings] == [0, 1, 1, 1, 1]
    assert [(each.layer, each.shift.alpha) for (each,) in settings[1:]] == [(1, 1.0), (1, 2.5), (2, 1.0), (2, 2.5)]
    scored = next(options for name, options in mesh.calls if name == "bleu1")
    assert (scored["language"], scored["options"]) == ("fr", {"tokens": "words", "resamples": 1000})
    text, gold = scored["items"][0]
    assert text == gold.attributes["source"] != gold.content
    with (tmp_path / "out" / "results.csv").open(newline="") as file:
        lines = [line for line in csv.DictReader(file) if line["kind"] == "token_translation"]
    assert {(line["estimator"], line["layer"]) for line in lines if line["metric"] == "bleu1"} == {
        ("plain", ""), ("alpha=1", "1"), ("alpha=2.5", "1"), ("alpha=1", "2"), ("alpha=2.5", "2")
    }  # fmt: skip
    count = len(mesh.calls)
    run(section(extra))
    assert len(mesh.calls) == count
    run(section(extra.replace("2.5", "3")))
    assert _count(mesh, "predict") == 8


@pytest.mark.parametrize(
    ("extra", "problem"),
    [
        ("token_translation: {to: fr}", "token_translation: Expected the key from"),
        ("token_translation: {from: en}", "token_translation: Expected the key to"),
        ("token_translation: {from: en, to: en}", "languages other than en"),
        ("token_translation: {from: en, to: xx}", "token_translation.to: Expected"),
        ("token_translation: {from: en, to: fr, alphas: [a]}", "a finite number"),
        ("token_translation: {from: en, to: fr, models: [none]}", "token_translation.models[0]: Expected one of tiny"),
        ("token_translation: {from: en, to: fr, words: 3}", "token_translation.words: Expected one of the keys"),
    ],
)
def test_what_a_study_file_may_not_say(section: Read, extra: str, problem: str) -> None:
    with pytest.raises(StudyError) as caught:
        section(extra)
    assert problem in str(caught.value)


def test_layers_that_the_model_lacks(section: Read, run: Run, mesh: Any) -> None:
    Translating(mesh)
    study = section("token_translation: {from: en, to: fr, layers: [3]}")
    with pytest.raises(StudyError, match=r"`token_translation.layers` within 0\.\.2 for model tiny, but got 3"):
        run(study)
