"""Made-up results with the shape of real ones, and a browser's page."""

import itertools
import math
from collections.abc import Iterator
from dataclasses import asdict, replace

import pytest
from babelscope.data.jobs.sweep import SweepFigure
from babelscope.study.result import LanguageUse, ModelUse, PairUse, Row, StepUse, StudyResult, Variant
from babelscope.study.sections.aligned_fine_tuning import Aligned, AlignedFigure, WordsMap
from babelscope.study.sections.anova import Analysis, FigureGroup
from babelscope.study.sections.emergence import CellFigure, CellFound
from babelscope.study.sections.fine_tuned import Curve
from babelscope.study.sections.fine_tuning import Swept
from babelscope.study.sections.gap import GapCorrelation, GapPoint
from babelscope.study.sections.layer_grids import Grid
from babelscope.study.sections.maps import Mapped, Precision
from babelscope.study.sections.projection import Cloud, Projected
from babelscope.study.sections.scores import Figure, Scored
from babelscope.study.sections.transfer import Coefficient, Correlated, Point
from babelscope.study.sections.words import WordsFound
from babelscope.token_translation.records import ShiftFigure, ShiftOutput, ShiftSample, ShiftScores, TokenTranslation

from tests.support import chromium

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


@pytest.fixture(scope="module")
def result() -> StudyResult:
    """Five languages, six layers, three RANDOM-INIT groups."""
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


def grid(target: str, metric: str, estimator: str, height: float) -> Grid:
    values = tuple(tuple(height - abs(row - column) / 10 + row / 70 for column in range(4)) for row in range(3))
    return Grid(
        metric, estimator, "en", target, MODEL, MODEL, "mean", (0, 1, 2), (0, 1, 2, 3), values,
        tuple(tuple(value - 0.02 for value in row) for row in values),
        tuple(tuple(value + 0.02 for value in row) for row in values),
        ((0.001,) * 4,) * 3, ((0.004,) * 4,) * 3, 200, (f"metric:{metric}",),
    )  # fmt: skip


def correlated(name: str, layer: int | None, shift: float) -> Correlated:
    points = tuple(
        Point("en", target, 0.1 * at + shift, 50.0 + at * at) for at, target in enumerate(("fr", "ru", "ja", "xx"))
    )
    return Correlated(
        name, "a table of somebody", MODEL, "cka", "debiased", layer, points,
        (Coefficient("spearman", 0.6 + shift, 0.1, 0.9, 0.0004, 4, "method:spearman"),
         Coefficient("pearson", -0.2, -0.7, 0.4, 0.51, 4, "method:pearson")), 30.0, 48.0,
    )  # fmt: skip


def scored(name: str, language: str, wrong: int) -> Scored:
    counts = {("entailment", "entailment"): 60 - wrong, ("entailment", "neutral"): wrong, ("neutral", "neutral"): 40}
    cells = (Figure("confusion", "", float(count), 0.0, 0.0, 100, *labels) for labels, count in counts.items())
    return Scored(
        "nli", name, "en", language, "said.tsv", "gold.tsv",
        (Figure("accuracy", "", 100.0 - wrong, 90.0 - wrong, 100.0, 100), *cells),
    )  # fmt: skip


def projected(layer: int) -> Projected:
    clouds = tuple(
        Cloud(language, ("s1", "s2", "s3"), tuple((at + row / 3 + layer, row - at / 7, 9.0) for row in range(3)))
        for at, language in enumerate(("en", "fr", "ja"))
    )
    return Projected("pca", "sentences", MODEL, layer, (0.4 + layer / 10, 0.2, 0.1), clouds, "method:pca")


def mapped(label: str, layer: int, seed: int, *, affine: bool = True) -> Mapped:
    precision = tuple(
        Precision(through, similarity, source, target, 0.2 + 0.3 * through + layer / 50 + seed / 100, 0.1, 0.7, 0.01,
                  100, "metric:p@1")
        for through in ((False, True) if affine else (False,))
        for similarity in ("cosine", "csls")
        for source, target in (("en", "fr"), ("fr", "en"))
    )  # fmt: skip
    trace = (0.1, 0.5 + seed / 10, 0.6 + layer / 10)
    return Mapped(label, label, "en", "fr", MODEL, layer, seed, trace, 90, 40, 30, precision, f"map:{label}")


def translated(source: str, target: str) -> TokenTranslation:
    """Two layers by three factors; at layer 3 by 1 all that is predicted belongs to both languages."""

    def scores(layer: int | None, alpha: float) -> ShiftScores:
        bleu = 5.0 if layer is None else 4.0 + layer * alpha
        rate = None if (layer, alpha) == (3, 1.0) else 0.01 if layer is None else 0.1 * layer * alpha
        figures = [("bleu1", bleu), ("bleu1_precision", bleu + 1), ("brevity_penalty", 0.9), ("convert_rate", rate)]
        return ShiftScores(
            layer, alpha,
            tuple(
                ShiftFigure(metric, value, value - 0.01, value + 0.01, 38, "score:bleu1|shift")
                for metric, value in figures
                if value is not None
            ),
        )  # fmt: skip

    shifts = tuple(scores(layer, alpha) for layer in (0, 3) for alpha in (1.0, 2.0, 3.0))
    outputs = (ShiftOutput(None, 0.0, "the ca ##t"), ShiftOutput(3, 1.0, "le ch ##at <b>"))
    sample = ShiftSample("s1", "the <i>cat</i>", "le chat", outputs)
    return TokenTranslation(
        MODEL, "ab", source, target, 38, 900, 1100, 320, 350, 120, (scores(None, 0.0), *shifts), (sample,),
    )  # fmt: skip


def words(target: str) -> WordsFound:
    rows = tuple(
        Row("words", metric, "csls", MODEL, "", "mean", *pair, layer, 0.3 + layer / 10 - at / 20, 0.2, 0.7, 90 + at,
            0.0125, 0.01, signature="metric:p@1|gold")
        for metric in ("p@1", "mrr")
        for at, pair in enumerate((("en", target), (target, "en")))
        for layer in (0, 3)
    )  # fmt: skip
    return WordsFound(f"en-{target}.tsv", "en", target, MODEL, 140, 120, 90, ("zebra", "yak"), 80, rows)


def swept(target: str, reinit: str, mean: float, delta: float | None, domain: str = "") -> Swept:
    return Swept(
        MODEL,
        SweepFigure(
            "pos", "en", target, domain, "eval", "accuracy", "micro", reinit, "best", "learning_rate=5e-05", mean, 0.31,
            mean - 0.5, mean + 0.5, 2, delta, None if target == "en" else 96.5 - mean, "checkpoints/1", main=True,
        ),
    )  # fmt: skip


def curve(target: str, reinit: str, height: float) -> Curve:
    values = tuple(height - abs(layer - 2) / 10 for layer in range(4))
    return Curve(
        MODEL, "pos", "en", target, reinit, "checkpoints/1", "cka", "debiased", (0, 1, 2, 3), values,
        tuple(value - 0.02 for value in values), tuple(value + 0.02 for value in values), (0.001,) * 4, 200,
        "metric:cka",
    )  # fmt: skip


def gap(stage: str, layer: int | None, value: float) -> GapCorrelation:
    points = tuple(GapPoint(target, 0.1 * at, 20.0 - at) for at, target in enumerate(("fr", "ru", "ja", "xx")))
    return GapCorrelation(
        MODEL, "pos", "en", stage, "cka", "debiased", layer, points, "spearman", value, value - 0.2, value + 0.2, 0.04,
        "method:spearman",
    )  # fmt: skip


def cell(setting: str, seed: int, height: float, *, run: bool = True) -> CellFound:
    """A pretrained model of one setting, or one that was left out."""
    figures = tuple(
        CellFigure(kind, metric, estimator, "en", "fr", layer, height + layer / 10, height, 0.9, 200, 0.005, "metric:")
        for kind, metric, estimator in (("similarity", "cka", "debiased"), ("retrieval", "p@1", "csls"))
        for layer in range(3)
    )
    tagged = CellFigure("transfer", "pos/accuracy", "all", "en", "fr", None, 100 * height, 0.0, 100.0, 1)
    return CellFound(setting, 500, seed, run, figures=(*figures, tagged) if run else ())


def records() -> dict[str, tuple[object, ...]]:
    """Records of every section, by key."""
    return {
        "layer_grids": (
            grid("fr", "cka", "debiased", 0.8), grid("ja", "cka", "debiased", 0.5),
            grid("fr", "procrustes", "distance", 0.9),
        ),
        "projection": (projected(0), projected(3)),
        "words": (words("fr"), words("ja")),
        "maps": (
            mapped("procrustes", 1, 0), mapped("procrustes", 3, 0), mapped("muse", 1, 0), mapped("muse", 1, 1),
            mapped("muse", 3, 0, affine=False),
        ),
        "token_translation": (translated("en", "fr"), translated("fr", "en")),
        "transfer": (
            correlated("F1", 0, 0.0), correlated("F1", 1, 0.1), correlated("F1", None, 0.05),
            correlated("LAS", 1, 0.2),
        ),
        "spans": (correlated("EM", 0, 0.0), correlated("EM", 1, 0.1)),
        "emergence": (
            cell("default", 0, 0.4), cell("default", 1, 0.5), cell("no anchors <0>", 0, 0.3),
            cell("no anchors <0>", 1, 0.0, run=False),
        ),
        "fine_tuning": (
            swept("en", "", 96.5, None), swept("en", "1-2", 96.2, -0.3), swept("en", "11-12", 96.6, 0.1),
            swept("fr", "", 88.0, None), swept("fr", "1-2", 79.0, -9.0), swept("fr", "11-12", 85.5, -2.5),
            swept("X", "", 80.0, None), swept("X", "1-2", 70.0, -10.0), swept("X", "11-12", 80.0, 0.0),
            swept("en", "", 69.0, None, "ugc <tweets>"), swept("en", "1-2", 67.0, -2.0, "ugc <tweets>"),
        ),
        "fine_tuned": (curve("fr", "", 0.8), curve("fr", "1-2", 0.4), curve("ja", "", 0.6), curve("ja", "1-2", 0.3)),
        "gap": (gap("pretrained", 1, -0.7), gap("fine-tuned", 1, -0.6), gap("fine-tuned", None, -0.75)),
        "aligned_fine_tuning": (
            aligned("none", None, 0, 78.8), aligned("GAN <8>", 8, 0, 71.0),
            aligned("vecmap", 8, 0, 24.8, WordsMap(9_000, 800, 12, 0.61, True, "method:vecmap")),
        ),
        "scores": (scored("NLI <zero-shot>", "fr", 5), scored("NLI <zero-shot>", "ja", 20)),
        "anova": (
            Analysis("F1", "corpus", "table 2",
                     (FigureGroup("A", (1.0, 3.0), 2.0, 1.4142), FigureGroup("B", (7.0,), 7.0, 0.0)),
                     9.0, 0.2, 1, 1, 0.9, -0.01, "test:anova"),
            Analysis("F1", "size", "table 2",
                     (FigureGroup("small", (1.0, 3.0), 2.0, 1.4142), FigureGroup("big", (7.0,), 7.0, 0.0)),
                     99.0, 0.0002, 1, 1, 0.95, 0.9, "test:anova"),
        ),
    }  # fmt: skip


# Words of the made-up result, each from another source: study, model, reason, language, label, citation, dictionary,
# names of maps, transfer, scores, factors and groups, ids of sentences, warning, signature, command, machine.
WORDS = (
    "made-up", "mBERT", "no model", "xx", "entailment", "a table of somebody", "table 2", "zebra", "muse",
    "F1", "zero-shot", "corpus", "small", "s1", "below 10 x", "method:", "metric:", "study made", "two cores",
    "similarity of 5", "numpy",
)  # fmt: skip


@pytest.fixture
def spoken() -> tuple[str, ...]:
    """Words of the made-up result that stand for any text."""
    return WORDS


def aligned(label: str, layer: int | None, seed: int, f1: float, fitted: WordsMap | None = None) -> Aligned:
    """A row of a table of alignments, with the score of the target and, 10 points above it, of the source."""
    kind = "none" if layer is None else "discriminator" if fitted is None else "map"
    figures = tuple(
        AlignedFigure(place, "f1", "", value, value - 1, value + 1, 100, "metric:f1")
        for place, value in (("en", f1 + 10), ("fr", f1))
    )
    target = "" if layer is None else "fr"
    return Aligned(MODEL, kind, label, layer, "qa", "en", target, seed, "checkpoints/a", figures, fitted)


@pytest.fixture(scope="module")
def whole(result: StudyResult) -> StudyResult:
    """A result that has everything."""
    return replace(
        result,
        sections={key: tuple(asdict(each) for each in listed) for key, listed in records().items()},  # type: ignore[call-overload]
    )


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[chromium.Page]:
    """A running browser's page."""
    with chromium.browser_or_skip(tmp_path_factory.mktemp("profile")) as opened:
        yield opened
