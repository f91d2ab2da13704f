"""What bfloat16 and int8 do to CKA, to retrieval and to the mean-difference shift, on Parallel Universal Dependencies.

all-MiniLM-L6-v2, every layer mean-pooled, English with German and with French, 1,000 sentences each. Beside the figures
under packed float32 stand the largest and the mean difference from them over all layers and pairs.
"""

import os
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, Final

import numpy as np
from babelscope.corpora import read_texts

from benchmarks.encoder import minilm_folder
from benchmarks.graphs import ENGINES, FIRST
from benchmarks.rows import Row, row
from services.encoder.engine import Engine
from services.encoder.graphs.shelf import Graphs
from services.encoder.loading import load_engine
from services.metrics.retrieval import retrieve
from services.metrics.sums.accumulate import Accumulator, Needs
from services.metrics.sums.hsic import debiased_cka
from services.models.catalogue import ModelFiles
from services.models.spec import ComputeType, Edit, EncodePlan, ModelSpec
from services.runtime.files.store import Store

OTHERS: Final = ("de", "fr")
SHIFTED: Final = 3
"""Layer at which the shift is added; its effect is read at the layers above."""
_AT_ONCE: Final = 256
"""Texts a batch, as a stream of requests would bring them: under int8 those of a batch share a scale."""
Values = dict[tuple[str, str, int], float]
"""Figures by name, language and layer."""


def run(quick: bool = False) -> list[Row]:
    """All figures."""
    folder = Path(os.environ.get("BABELSCOPE_SHARED_DATA", Path(__file__).parents[2] / "shared" / "data")) / "pud"
    if not folder.is_dir():
        raise SystemExit(f"benchmarks.precision needs the treebanks PUD in {folder}: set BABELSCOPE_SHARED_DATA")
    most = 100 if quick else None
    texts = {
        language: [text.text for text in read_texts(folder / f"{language}.conllu.gz", language=language)][:most]
        for language in ("en", *OTHERS)
    }
    rows: list[Row] = []
    first: tuple[Values, dict[str, Any]] | None = None
    with tempfile.TemporaryDirectory() as place:
        for name, (graph, dtype) in ENGINES.items():
            files, spec = ModelFiles(aliases={"model": minilm_folder()}), ModelSpec("model", graph=graph)
            with closing(load_engine(files, spec, graphs=Graphs(Store(place)))) as engine:
                found = _measured(engine, dtype, texts)
            if first is None:
                first = found
                rows += _values(found[0])
            else:
                rows += _differences(name, found[0], first[0]) + _distances(name, found[1], first[1])
    return rows


def _measured(engine: Engine, dtype: ComputeType, texts: Mapping[str, Sequence[str]]) -> tuple[Values, dict[str, Any]]:
    """CKA, P@1 and P@1 after the shift under one arithmetic; rows and mean differences."""
    every = tuple(range(engine.info.layers + 1))
    encoded = {language: _encoded(engine, each, EncodePlan(every, dtype=dtype)) for language, each in texts.items()}
    english, means = encoded["en"][0], {language: mean for language, (_, mean) in encoded.items()}
    values: Values = {}
    arrays: dict[str, Any] = {"rows": english.astype(np.float64)}
    for other in OTHERS:
        theirs = encoded[other][0]
        difference = arrays[f"shift {other}"] = means["en"] - means[other]
        edit = Edit(SHIFTED, difference[SHIFTED].astype(np.float32), 1.0)
        above = every[SHIFTED:]
        moved, _ = _encoded(engine, texts[other], EncodePlan(above, edits=(edit,), dtype=dtype))
        for layer in every:
            values["debiased CKA", other, layer] = _cka(english[:, layer], theirs[:, layer])
            values["P@1", other, layer] = _precision(theirs[:, layer], english[:, layer])
        for column, layer in enumerate(above):
            figure = f"P@1 after a shift at layer {SHIFTED}"
            values[figure, other, layer] = _precision(moved[:, column], english[:, layer])
    return values, arrays


def _encoded(engine: Engine, texts: Sequence[str], plan: EncodePlan) -> tuple[Any, Any]:
    """Rows [n, K, d], and the mean over all tokens, [K, d] float64: a text's row weighs as many as it has."""
    tokens = engine.tokenize(texts)
    parts = [engine.encode(tokens[start : start + _AT_ONCE], plan) for start in range(0, len(tokens), _AT_ONCE)]
    rows = np.concatenate([text for part in parts for text in part])
    counts = [text.content_length for text in tokens]
    return rows, np.average(rows.astype(np.float64), axis=0, weights=counts)


def _cka(x: Any, y: Any) -> float:
    accumulator = Accumulator([x.shape[1], y.shape[1]], [(0, 1)], Needs())
    accumulator.add(list(map(str, range(len(x)))), [x, y])
    [(_, pair)] = accumulator.finish()
    return float(debiased_cka(pair.hsic()))


def _precision(queries: Any, candidates: Any) -> float:
    """Share of queries whose nearest candidate by cosine is their translation."""
    found = retrieve(np.ascontiguousarray(queries), np.ascontiguousarray(candidates), ("cosine",))["cosine"]
    return float(np.mean(found.forward == 1))


def _values(values: Values) -> list[Row]:
    """The figures under packed float32: their range over languages and layers."""
    rows = []
    for figure in dict.fromkeys(key[0] for key in values):
        some = [value for key, value in values.items() if key[0] == figure]
        rows.append(row("precision", f"{figure}, {FIRST}, least", min(some), ""))
        rows.append(row("precision", f"{figure}, {FIRST}, greatest", max(some), ""))
    return rows


def _differences(name: str, values: Values, first: Values) -> list[Row]:
    """How far figures are from those under packed float32."""
    rows = []
    for figure in dict.fromkeys(key[0] for key in values):
        changes = np.abs([values[key] - first[key] for key in first if key[0] == figure])
        rows.append(row("precision", f"{figure}, {name}, greatest change", float(changes.max()), "", against=FIRST))
        rows.append(row("precision", f"{figure}, {name}, mean change", float(changes.mean()), "", against=FIRST))
    return rows


def _distances(name: str, arrays: Mapping[str, Any], first: Mapping[str, Any]) -> list[Row]:
    """How far rows and mean differences are from those under packed float32."""
    errors = [
        np.linalg.norm(arrays[key] - first[key], axis=-1) / np.linalg.norm(first[key], axis=-1)
        for key in first
        if key != "rows"
    ]
    one, other = arrays["rows"], first["rows"]
    apart = 1 - (one * other).sum(-1) / np.linalg.norm(one, axis=-1) / np.linalg.norm(other, axis=-1)
    return [
        row("precision", f"rows, {name}, greatest 1 - cos", float(apart.max()), "", against=FIRST),
        row("precision", f"rows, {name}, median 1 - cos", float(np.median(apart)), "", against=FIRST),
        row("precision", f"mean difference, {name}, greatest relative error", float(np.max(errors)), "", against=FIRST),
    ]
