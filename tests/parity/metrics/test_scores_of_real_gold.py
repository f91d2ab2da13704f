"""Real gold against itself scores 100, and nothing real is refused."""

from collections.abc import Callable
from pathlib import Path

import pytest
from babelscope.corpora import Options, read_examples

from services.metrics.scores import make
from services.metrics.scores.base import estimates
from tests.support.scored import text

pytestmark = pytest.mark.shared_data


def itself(score: str, path: Path, language: str) -> dict[tuple[str, str], float]:
    taken, _, _ = make(score, language, {})
    for index, example in enumerate(read_examples(path, options=Options(language=language))):
        said = text(example.content.answers[-1].text, example.id) if score == "qa" else example
        taken.add(said, example, f"items[{index}]")
    found = estimates(score, taken.table(), resamples=10)
    assert all(one.low == one.value == one.high for one in found)
    return {(one.metric, one.estimator): one.value for one in found}


@pytest.mark.parametrize(
    ("file", "language", "normaliser"),
    [
        ("xquad.en.json", "en", "squad"),
        ("xquad.zh.json", "zh", "char"),
        ("xquad.th.json", "th", "char"),
        ("xquad.ar.json", "ar", "char"),
        ("xquad.hi.json", "hi", "char"),
        ("KorQuAD_v1.0_dev.json.gz", "ko", "korquad"),
    ],
)
def test_answers(shared_data: Callable[[str], Path], file: str, language: str, normaliser: str) -> None:
    found = itself("qa", shared_data(f"qa/{file}"), language)
    assert found == {("em", normaliser): 100.0, ("f1", normaliser): pytest.approx(100.0)}


@pytest.mark.parametrize("file", ["en_pud-ud-test.iob2.gz", "zh_gsd-ud-test.iob2.gz"])
def test_spans(shared_data: Callable[[str], Path], file: str) -> None:
    assert set(itself("span_f1", shared_data(f"ner/{file}"), "en").values()) == {100.0}
