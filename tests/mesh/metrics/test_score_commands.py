"""`babelscope score` and `babelscope correlate` against a real server."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from babelscope.cli import run

GOLD = "John\tB-PER\nSmith\tI-PER\nsaw\tO\nParis\tB-LOC\n\nin\tO\nRome\tB-LOC\n"
SAID = "John\tI-PER\nSmith\tI-PER\nsaw\tO\nParis\tO\n\nin\tO\nRome\tB-LOC\n"


def table(printed: str) -> list[dict[str, str]]:
    first, *rows = [line.split("\t") for line in printed.splitlines()]
    return [dict(zip(first, row, strict=True)) for row in rows]


async def test_score_prints_a_row_a_figure(
    serve: Callable[..., Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    mesh = f"metrics={(await serve()).client.address}"
    (tmp_path / "gold.iob2").write_text(GOLD)
    (tmp_path / "said.iob2").write_text(SAID)
    files = ["--prediction", str(tmp_path / "said.iob2"), "--gold", str(tmp_path / "gold.iob2"), "--mesh", mesh]
    assert await asyncio.to_thread(run, ["score", "span_f1", *files, "--option", "resamples=50"]) == 0
    rows = {row["metric"]: float(row["value"]) for row in table(capsys.readouterr().out)}
    assert rows == pytest.approx({"f1": 80.0, "precision": 100.0, "recall": 200 / 3})
    assert await asyncio.to_thread(run, ["score", "span_f2", *files]) == 1
    assert "did you mean 'span_f1'" in capsys.readouterr().err


async def test_correlate_reads_two_columns(
    serve: Callable[..., Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    mesh = f"metrics={(await serve()).client.address}"
    file = tmp_path / "results.csv"
    file.write_text("pair,cka,f1\nen-fr,0.9,70\nen-de,0.8,72\nen-zh,0.4,50\nen-ja,0.3,51\n")
    command = ["correlate", str(file), "--x", "cka", "--mesh", mesh]
    assert await asyncio.to_thread(run, [*command, "--y", "f1", "--method", "spearman"]) == 0
    (row,) = table(capsys.readouterr().out)
    assert (row["method"], float(row["value"]), row["n"]) == ("spearman", pytest.approx(0.6), "4")
    assert await asyncio.to_thread(run, [*command, "--y", "em"]) == 2
    assert "pair, cka, f1" in capsys.readouterr().err
    assert await asyncio.to_thread(run, [*command, "--y", "pair"]) == 2
