"""What bfloat16 and int8 do to CKA, to retrieval and to the mean-difference shift, on Parallel Universal Dependencies.

all-MiniLM-L6-v2, every layer mean-pooled, English with German, French, Russian and Chinese. Each figure is the largest
difference from packed float32 over all layers (or at the layer named) and all pairs, or the mean one.
"""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
from babelscope import local, shift
from babelscope.calls.views import View
from babelscope.corpora import read_texts
from babelscope.data.texts import Text
from babelscope.local.demo import DEMO_MODEL

from benchmarks.rows import Row, row

OTHERS: Final = ("de", "fr", "ru", "zh")
SHIFTED: Final = 3
"""Layer at which the shift is added; its effect is read at the last."""
_VARIANTS: Final[dict[str, dict[str, str]]] = {
    "packed float32": {},
    "packed bfloat16": {"compute_dtype": "bfloat16"},
    "ONNX float32": {"backend": "onnx"},
    "ONNX int8": {"backend": "onnx", "compute_dtype": "int8"},
}
_FIRST: Final = "packed float32"
Found = dict[tuple[str, str, str, int], float]
"""Values by figure, pair and layer."""


def run(quick: bool = False) -> list[Row]:
    """All figures."""
    folder = Path(os.environ.get("BABELSCOPE_SHARED_DATA", Path(__file__).parents[2] / "shared" / "data")) / "pud"
    if not folder.is_dir():
        raise SystemExit(f"benchmarks.precision needs the treebanks PUD in {folder}: set BABELSCOPE_SHARED_DATA")
    some = OTHERS[:1] if quick else OTHERS
    texts = {
        language: list(read_texts(folder / f"{language}.conllu.gz", language=language))[: 100 if quick else None]
        for language in ("en", *some)
    }
    rows: list[Row] = []
    with local(("encoder", "metrics"), env={"BABELSCOPE_DEVICE": "cpu", "BABELSCOPE_HUB": "false"}) as mesh:
        first: tuple[Found, dict[str, Any]] | None = None
        for name, options in _VARIANTS.items():
            figures, arrays = _measured(mesh, texts, options)
            if first is None:
                first = figures, arrays
                rows += _values(figures)
            else:
                rows += _differences(name, figures, first[0])
                rows += _distances(name, arrays, first[1])
    return rows


def _measured(
    mesh: Any, texts: Mapping[str, Sequence[Text]], options: Mapping[str, str]
) -> tuple[Found, dict[str, Any]]:
    """CKA, P@1 and P@1 after the shift under one arithmetic; rows and means."""
    pairs = [("en", other) for other in texts if other != "en"]
    shared: dict[str, Any] = {"model": DEMO_MODEL, "overflow": "truncate", **options}
    figures: Found = {}

    def keep(figure: str, answer: Any) -> None:
        for each in answer.estimates:
            figures[figure, each.left, each.right, each.left_layer] = each.value

    views = {language: View(texts=each, language=language) for language, each in texts.items()}
    keep("debiased CKA", mesh.metrics.compare(views, ["cka"], pairs, **shared))
    back = [(other, one) for one, other in pairs]
    keep("P@1", mesh.metrics.retrieve(views, ["cosine"], back, ranks=(1,), **shared))
    means = {language: mesh.encoder.mean_activations(each, **shared) for language, each in texts.items()}
    for other, _ in back:
        edit = shift(means[other], means["en"], SHIFTED)
        moved = {other: View(texts=texts[other], interventions=(edit,), language=other), "en": views["en"]}
        last = means["en"].layers[-1]
        answer = mesh.metrics.retrieve(moved, ["cosine"], [(other, "en")], ranks=(1,), layers=(last,), **shared)
        keep(f"P@1 after a shift at layer {SHIFTED}", answer)
    arrays: dict[str, Any] = {
        f"shift {other}": np.asarray(means["en"].array - means[other].array, np.float64) for other, _ in back
    }
    arrays["rows"] = mesh.encoder.encode(texts["en"], **shared).array.astype(np.float64)
    return figures, arrays


def _values(figures: Found) -> list[Row]:
    """The figures under float32: their range over pairs and layers."""
    rows = []
    for figure in dict.fromkeys(key[0] for key in figures):
        values = [value for key, value in figures.items() if key[0] == figure and key[1] != key[2]]
        rows += [
            row("precision", f"{figure}, {_FIRST}, least", min(values), ""),
            row("precision", f"{figure}, {_FIRST}, greatest", max(values), ""),
        ]
    return rows


def _differences(name: str, figures: Found, first: Found) -> list[Row]:
    """The largest difference of each figure from that under float32, and the mean one."""
    rows = []
    for figure in dict.fromkeys(key[0] for key in figures):
        changes = np.array([abs(figures[key] - first[key]) for key in first if key[0] == figure])
        rows += [
            row("precision", f"{figure}, {name}, greatest change", float(changes.max()), "", against=_FIRST),
            row("precision", f"{figure}, {name}, mean change", float(changes.mean()), "", against=_FIRST),
        ]
    return rows


def _distances(name: str, arrays: Mapping[str, Any], first: Mapping[str, Any]) -> list[Row]:
    """How far rows and mean differences are from those under float32."""
    shifts = max(
        float((np.linalg.norm(arrays[key] - first[key], axis=-1) / np.linalg.norm(first[key], axis=-1)).max())
        for key in first
        if key.startswith("shift")
    )
    one, other = arrays["rows"], first["rows"]
    cosines = (one * other).sum(-1) / np.linalg.norm(one, axis=-1) / np.linalg.norm(other, axis=-1)
    return [
        row("precision", f"rows, {name}, greatest 1 - cos", float((1 - cosines).max()), "", against=_FIRST),
        row("precision", f"rows, {name}, median 1 - cos", float(np.median(1 - cosines)), "", against=_FIRST),
        row("precision", f"mean difference, {name}, greatest relative error", shifts, "", against=_FIRST),
    ]
