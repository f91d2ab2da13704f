"""A made-up result with the shape of a real one: five languages, six layers, three RANDOM-INIT groups."""

import itertools
import math
from dataclasses import replace

import pytest
from babelscope.study.result import LanguageUse, ModelUse, PairUse, Row, StepUse, StudyResult, Variant

LANGUAGES = ("en", "fr", "ru", "ja", "xx")
CLOSE = {"en": 0.0, "fr": 0.7, "ru": 0.5, "ja": 0.35, "xx": 0.1}
MODEL = "made-up/encoder"


def course(strength: float, layer: int, lowered: float) -> float:
    """A value that rises to layer 3 and falls after it, lower by `lowered` at the layers that it touches."""
    return strength * math.exp(-((layer - 3) ** 2) / 12) * (1 - lowered)


def rows_of(reinit: str, first: int, lowered: float, pairs: list[tuple[str, str]]) -> list[Row]:
    rows = []
    for (left, right), layer in itertools.product(pairs, range(7)):
        strength = (CLOSE[left] + CLOSE[right]) / (1 if "en" in (left, right) else 2)
        value = course(strength, layer, lowered if layer >= first else 0.0)
        common = Row(
            "similarity", "cka", "debiased", MODEL, reinit, "mean", left, right, layer, value, value - 0.02,
            value + 0.02, 200, 0.001, 0.004, 384, 384, signature=f"metric:cka|est:debiased|pair:{left}-{right}",
        )  # fmt: skip
        biased = replace(common, estimator="biased", value=value * 0.6 + 0.4, low=value * 0.6 + 0.38,
                         high=value * 0.6 + 0.42, null_mean=0.4, null_sd=0.01)  # fmt: skip
        svcca = replace(common, metric="svcca", estimator="mean", value=value * 0.5 + 0.5, low=value * 0.5 + 0.49,
                        high=value * 0.5 + 0.51, null_mean=0.52, null_sd=0.004, left_kept=120, right_kept=115,
                        warnings=("n = 200 is below 10 x 120 directions",))  # fmt: skip
        rows += [common, biased, svcca]
    return rows


def retrieval_of(pairs: list[tuple[str, str]]) -> list[Row]:
    rows = []
    for (left, right), layer, estimator in itertools.product(pairs, range(7), ("cosine", "csls")):
        value = course((CLOSE[left] + CLOSE[right]) * (0.8 if estimator == "cosine" else 0.9), layer, 0.0)
        for metric, factor in (("p@1", 1.0), ("p@5", 1.1), ("mrr", 1.05)):
            rows.append(
                Row("retrieval", metric, estimator, MODEL, "", "mean", left, right, layer, value * factor,
                    value * factor - 0.03, value * factor + 0.03, 200, 0.005, 0.004, signature="metric:p@1")
            )  # fmt: skip
    return rows


@pytest.fixture
def result() -> StudyResult:
    """The result."""
    pairs = list(itertools.combinations(LANGUAGES, 2))
    from_english = [pair for pair in pairs if pair[0] == "en"]
    both = from_english + [(right, left) for left, right in from_english]
    groups = [("1-2", (1, 2), 0.5), ("3-4", (3, 4), 0.25), ("5-6", (5, 6), 0.05)]
    rows = rows_of("", 0, 0.0, pairs)
    for label, layers, lowered in groups:
        rows += rows_of(f"{label}@0", layers[0], lowered, from_english)
    return StudyResult(
        study={
            "name": "made-up", "title": "Is a </script> in a title <b>harmless</b> & well shown?",
            "languages": list(LANGUAGES), "sources": ["en"], "pooling": "mean", "standardise": False,
            "drop_top_variance": 0, "alignment": "intersect", "overflow": "truncate",
        },
        models=(
            ModelUse("mBERT", "bert-base-multilingual-cased", MODEL, "The encoder has no model of that name.", "",
                     "ab" * 32, "bert", 6, 384, 512, 22_700_000),
        ),
        variants=(
            Variant(MODEL, ""),
            *(Variant(MODEL, f"{label}@0", label, layers, 0) for label, layers, _ in groups),
        ),
        languages=tuple(
            LanguageUse(each, f"{each}.tsv", "tsv", 200 if each != "xx" else 198, "cd" * 32,
                        2 if each == "xx" else 0, ("s1", "s2") if each == "xx" else (),
                        {MODEL: 3 if each == "ja" else 0})
            for each in LANGUAGES
        ),
        pairs=tuple(PairUse(*pair, 200) for pair in pairs),
        rows=tuple(rows + retrieval_of(both)),
        steps=(StepUse("ef" * 32, "similarity of 5 languages, made-up/encoder", 12.5, "2025-01-31T12:00:00Z", False),),
        provenance={"babelscope": "0.1.0", "commit": "0" * 40, "libraries": {"numpy": "2.0"}, "machine": "two cores",
                    "mesh": "local", "date": "2025-01-31T12:00:00Z", "command": "babelscope study made-up.yaml"},
    )  # fmt: skip
