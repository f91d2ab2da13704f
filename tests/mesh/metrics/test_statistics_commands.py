"""`babelscope correlate`, `anova` and `compare-systems` against a real server."""

import asyncio
import csv
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from babelscope.cli import run
from scipy import stats

Done = tuple[int, list[dict[str, str]], str]


@pytest.fixture
async def command(serve: Callable[..., Any], capsys: pytest.CaptureFixture[str]) -> Callable[..., Any]:
    """Runs a command against a server: its exit code, the rows it printed, and what it said beside them."""
    mesh = f"metrics={(await serve()).client.address}"

    async def call(*arguments: Any) -> Done:
        code = await asyncio.to_thread(run, [*map(str, arguments), "--mesh", mesh])
        printed = capsys.readouterr()
        return code, list(csv.DictReader(io.StringIO(printed.out), delimiter="\t")), printed.err

    return call


def write(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


async def test_correlate_reads_two_columns(command: Callable[..., Any], tmp_path: Path) -> None:
    file = write(tmp_path / "results.csv", "pair,cka,f1\nen-fr,0.9,70\nen-de,0.8,72\nen-zh,0.4,50\nen-ja,0.3,51\n")
    code, (row,), _ = await command("correlate", file, "--x", "cka", "--y", "f1", "--method", "spearman")
    assert (code, row["method"], float(row["value"]), row["n"]) == (0, "spearman", pytest.approx(0.6), "4")
    code, rows, _ = await command("correlate", file, "--x", "cka", "--y", "f1", "--output", tmp_path / "all.json")
    assert (code, rows) == (0, [])
    assert [one["method"] for one in json.loads((tmp_path / "all.json").read_text())] == [
        "pearson",
        "spearman",
        "kendall",
    ]
    for wrong, words in (
        (("--x", "cka", "--y", "em"), "pair, cka, f1"),
        (("--x", "cka", "--y", "pair"), "line 2, but got 'en-fr'"),
        (("--x", "cka", "--y", "f1", "--output", tmp_path / "all.txt"), ".csv or .json"),
    ):
        code, _, said = await command("correlate", file, *wrong)
        assert (code, words in said) == (2, True)
    code, _, said = await command("correlate", write(tmp_path / "two.csv", "a,b\n1,2\n2,3\n"), "--x", "a", "--y", "b")
    assert (code, "at least 3 numbers, but got n = 2" in said) == (1, True)


async def test_anova_groups_a_column(command: Callable[..., Any], tmp_path: Path) -> None:
    groups = {"sov": [1.0, 2, 3], "svo": [2.0, 3, 5], "vso": [6.0, 7, 8, 9]}
    lines = [f"{name}\t{value}" for name, values in groups.items() for value in values]
    file = write(tmp_path / "table.tsv", "\n".join(["order\trho", *lines[::2], *lines[1::2]]))
    code, _, _ = await command("anova", file, "--value", "rho", "--group", "order", "--output", tmp_path / "anova.csv")
    (row,) = csv.DictReader(io.StringIO((tmp_path / "anova.csv").read_text()))
    expected = stats.f_oneway(*groups.values())
    assert code == 0
    assert (float(row["f"]), float(row["p_value"])) == pytest.approx((expected.statistic, expected.pvalue), rel=1e-9)
    assert (row["df_between"], row["df_within"]) == ("2", "7")
    assert float(row["omega_squared"]) < float(row["eta_squared"])
    code, _, _ = await command("anova", file, "--value", "rho", "--group", "order", "--out", tmp_path / "all")
    found = list(csv.DictReader(io.StringIO((tmp_path / "all" / "results.csv").read_text())))
    assert [each["metric"] for each in found] == ["f", "eta_squared", "omega_squared"]
    assert (found[0]["kind"], found[0]["n"], found[0]["p_value"]) == ("anova", "10", row["p_value"])
    assert json.loads((tmp_path / "all" / "results.json").read_text())["anova"]["df_within"] == 7
    code, _, said = await command("anova", file, "--value", "rho", "--group", "rho")
    assert (code, "groups (n = 10) are constant" in said) == (1, True), said


FIRST = "id,language,f1,las\na,en,1,50\na,fr,0,\nb,en,1,70\n"
SECOND = "id,language,las,f1\nb,en,60,1\na,fr,10,1\na,en,80,0\n"


async def test_systems_meet_by_id_and_language(command: Callable[..., Any], tmp_path: Path) -> None:
    first, second = write(tmp_path / "first.csv", FIRST), write(tmp_path / "second.csv", SECOND)
    code, rows, said = await command("compare-systems", first, second, "--seed", 3)
    assert code == 0
    assert [(row["column"], float(row["difference"]), row["n"]) for row in rows] == [
        ("f1", 0.0, "3"),
        ("las", -10.0, "2"),
    ]
    assert "seed:3" in rows[0]["signature"]
    assert "Beware: 1 of 3 items have no las in one of the files" in said
    code, rows, _ = await command("compare-systems", first, second, "--column", "f1")
    assert [row["column"] for row in rows] == ["f1"]


@pytest.mark.parametrize(
    ("other", "words"),
    [
        ("id,language,f1\nb,en,1\na,fr,1\n", "second.csv lacks 1, such as 'a en'"),
        (f"{SECOND}c,en,1,1\n", "first.csv lacks 1, such as 'c en'"),
        ("id,language,f1\na,en,1\na,en,1\na,fr,1\n", "each id once in"),
        ("name,f1\na,1\n", "a column of name, f1 in"),
        ("id,language,em\na,en,1\na,fr,1\nb,en,2\n", "share, but got none"),
        ("id,language,f1\na,en,1\na,fr,x\nb,en,2\n", "line 3, but got 'x'"),
    ],
)
async def test_files_that_do_not_fit_are_refused(
    command: Callable[..., Any], tmp_path: Path, other: str, words: str
) -> None:
    first, second = write(tmp_path / "first.csv", FIRST), write(tmp_path / "second.csv", other)
    code, _, said = await command("compare-systems", first, second)
    assert (code, words in said) == (2, True), said
