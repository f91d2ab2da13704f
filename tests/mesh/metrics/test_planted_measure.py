"""A new measure is one object and one line in the registry: all else learns of it by asking the server."""

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import babelscope
import numpy as np
import pytest
from babelscope import Measure, StudyError
from babelscope.cli import run
from babelscope.report import write_report
from babelscope.study import load_study, run_study

from services.metrics.estimates.intervals import Interval
from services.metrics.estimates.nulls import Null
from services.metrics.similarity import MEASURES, Measured, Options
from services.metrics.similarity import Measure as Planted
from services.metrics.sums.pair_statistics import PairStatistics
from services.runtime.options import option
from tests.support.encoder_calls import sentences

STUDY = """
name: planted
title: Does a new measure need anything else?
corpus: {{pattern: "{{language}}.txt"}}
languages: [en, fr]
models: [tiny]
measures: [cka, {measure}]
"""


@dataclass(frozen=True)
class Power:
    """Options of the planted measure."""

    power: float = option("Power of the number of rows.", default=1.0, minimum=0.5, maximum=4)


def measure(pair: PairStatistics, options: Options) -> Measured:
    """1 / n^power."""
    power = options.settings.power
    value = pair.n**-power
    return Measured(value, Interval(0.0, 1.0, "none"), Null(0.0, 0.0, "none"), settings={"power": power})


@pytest.fixture(autouse=True)
def _planted(monkeypatch: pytest.MonkeyPatch) -> None:
    planted = Planted("One over the number of rows.", ("inverse",), measure, needs_moments=True, settings=Power)
    monkeypatch.setitem(MEASURES, "planted", planted)


@pytest.fixture
def corpora(tmp_path: Path) -> Path:
    for language in ("en", "fr"):
        (tmp_path / f"{language}.txt").write_text("".join(f"{text}\n" for text in sentences(12, 1)))
    return tmp_path


async def test_it_is_listed_and_measured(serve: Callable[..., Any]) -> None:
    client = (await serve()).client
    info = next(each for each in await client.list_measures() if each.name == "planted")
    assert (info.summary, info.estimators) == ("One over the number of rows.", ("inverse",))
    assert [(each.name, each.type, each.default) for each in info.options] == [("power", "number", "1")]
    rows = np.random.default_rng(0).standard_normal((10, 4))
    views = {"en": rows, "fr": rows + 1}
    found = await client.compare(views, ["planted", Measure("planted", power=2), "planted:power=3"])
    assert [each.value for each in found.estimates] == pytest.approx([0.1, 0.01, 0.001])
    assert "power:2" in found.estimates[1].signature
    with pytest.raises(babelscope.InvalidRequest, match=r"within 0\.5\.\.4, but got '5'") as caught:
        await client.compare(views, [Measure("planted", power=5)])
    assert caught.value.field == "spec.measures[0].options[power]"


async def test_commands_know_it(
    serve: Callable[..., Any], encoder: str, corpora: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    mesh = ["--mesh", f"encoder={encoder},metrics={(await serve(encoder)).client.address}"]
    assert await asyncio.to_thread(run, ["list", "measures", "--json", *mesh]) == 0
    assert "planted" in {each["name"] for each in json.loads(capsys.readouterr().out)}
    sides = [part for language in ("en", "fr") for part in ("--parallel", f"{language}={corpora}/{language}.txt")]
    command = ["compare", "--model", "tiny", "--layers", "0", "--measure", "planted:power=2", *sides, *mesh]
    assert await asyncio.to_thread(run, command) == 0
    assert f"planted\tinverse\ten\tfr\t0\t{12**-2.0!r}" in capsys.readouterr().out


async def test_a_study_measures_it(serve: Callable[..., Any], encoder: str, corpora: Path) -> None:
    address = f"encoder={encoder},metrics={(await serve(encoder)).client.address}"
    path, out = corpora / "study.yaml", corpora / "out"

    def go(measure: str) -> Any:
        path.write_text(STUDY.format(measure=measure))
        with babelscope.connect(address) as mesh:
            return run_study(load_study(path), mesh, out)

    result = await asyncio.to_thread(go, "{name: planted, options: {power: 2}}")
    values = [row.value for row in result.rows if row.metric == "planted"]
    assert values == pytest.approx([12**-2.0] * 3)
    assert "planted" in (await asyncio.to_thread(write_report, result, out)).read_text(encoding="utf-8")
    with pytest.raises(StudyError, match=r"study.yaml: measures\[1\]: .*'plantd'; did you mean 'planted'"):
        await asyncio.to_thread(go, "plantd")
