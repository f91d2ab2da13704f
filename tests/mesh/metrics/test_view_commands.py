"""`babelscope project`, and `compare --keep-state` with `merge`, against real servers."""

import asyncio
import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from babelscope.cli import run

from tests.support.encoder_calls import sentences
from tests.support.projections import by_svd


def corpus(path: Path, seed: int, count: int) -> Path:
    path.write_text("".join(f"{text}\n" for text in sentences(count, seed)))
    return path


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


async def test_project_writes_coordinates_and_tells_shares(
    serve: Callable[..., Any], encoder: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    mesh = ["--mesh", f"encoder={encoder},metrics={(await serve(encoder)).client.address}", "--model", "tiny"]
    en, fr = corpus(tmp_path / "en.txt", 1, 12), corpus(tmp_path / "fr.txt", 2, 9)
    command = ["project", "--corpus", f"en={en}", "--corpus", f"fr={fr}", "--layers", "1-2", "--components", "3", *mesh]
    assert await asyncio.to_thread(run, [*command, "--output", str(tmp_path / "out.npz")]) == 0
    printed = capsys.readouterr()
    assert "21 rows at layers [1, 2]" in printed.err
    lines = [line.split("\t") for line in printed.out.splitlines()]
    assert lines[0] == ["layer", "component", "explained_variance"]
    with np.load(tmp_path / "out.npz", allow_pickle=False) as found:
        arrays = dict(found)
    assert arrays["coordinates"].shape == (21, 2, 3)
    assert [float(line[2]) for line in lines[1:]] == arrays["explained_variance"].ravel().tolist()
    assert (arrays["views"].tolist(), arrays["layers"].tolist()) == (["en"] * 12 + ["fr"] * 9, [1, 2])
    encoded = [tmp_path / "en.npz", tmp_path / "fr.npz"]
    for source, target in zip((en, fr), encoded, strict=True):
        files = ["--input", str(source), "--output", str(target)]
        assert await asyncio.to_thread(run, ["encode", *files, "--layers", "1-2", *mesh]) == 0
    states = [np.load(path) for path in encoded]
    assert arrays["ids"].tolist() == [one for state in states for one in state["ids"].tolist()]
    for index in range(2):
        expected, shares = by_svd([state["activations"][:, index] for state in states], 3)
        np.testing.assert_allclose(arrays["coordinates"][:, index], np.concatenate(expected), atol=1e-5)
        np.testing.assert_allclose(arrays["explained_variance"][index], shares, rtol=1e-6)
    assert await asyncio.to_thread(run, [*command, "--output", str(tmp_path / "out.csv")]) == 0
    table = rows(tmp_path / "out.csv")
    assert list(table[0]) == ["view", "language", "model", "layer", "id", "x1", "x2", "x3"]
    assert len(table) == 42
    # A view after the other, as they come from the server layer by layer.
    first = next(row for row in table if (row["view"], row["layer"]) == ("fr", "2"))
    assert float(first["x1"]) == pytest.approx(float(arrays["coordinates"][12, 1, 0]), rel=1e-6)
    assert await asyncio.to_thread(run, [*command, "--pooling", "token", "--output", str(tmp_path / "tokens.csv")]) == 0
    tokens = [row["id"] for row in rows(tmp_path / "tokens.csv") if (row["view"], row["layer"]) == ("fr", "1")]
    assert tokens[:2] == [f"{table[12]['id']}#0", f"{table[12]['id']}#1"]
    assert len({token.partition("#")[0] for token in tokens}) == 9 < len(tokens)
    assert await asyncio.to_thread(run, [*command, "--out", str(tmp_path / "all")]) == 0
    names = ["coordinates.csv", "coordinates.npz", "results.csv", "results.json"]
    assert sorted(path.name for path in (tmp_path / "all").iterdir()) == names
    assert (tmp_path / "all" / "coordinates.csv").read_text() == (tmp_path / "out.csv").read_text()
    shares = [float(row["value"]) for row in rows(tmp_path / "all" / "results.csv")]
    assert shares == arrays["explained_variance"].ravel().tolist()
    capsys.readouterr()
    assert await asyncio.to_thread(run, [*command, "--output", str(tmp_path / "out.txt")]) == 2
    assert ".csv or .npz" in capsys.readouterr().err
    assert await asyncio.to_thread(run, [*command, "--components", "40", "--output", str(tmp_path / "out.csv")]) == 1
    assert "min(n - 1, d) = 20 components for n = 21, d = 32, but got 40" in capsys.readouterr().err


@pytest.mark.parametrize("treatment", [[], ["--standardise", "--drop-top-variance", "2"]])
async def test_shards_that_were_kept_are_merged(
    serve: Callable[..., Any], encoder: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], treatment: list[str]
) -> None:
    mesh = ["--mesh", f"encoder={encoder},metrics={(await serve(encoder)).client.address}"]
    lines = {name: sentences(90, seed) for seed, name in enumerate(("en", "fr"))}

    def compare(name: str, part: slice, *more: str) -> list[str]:
        sides = []
        for language, texts in lines.items():
            path = tmp_path / f"{name}.{language}.tsv"
            numbered = list(enumerate(texts))[part]
            path.write_text("id\ttext\tnote\n" + "".join(f"s{number}\t{text}\t-\n" for number, text in numbered))
            sides += ["--parallel", f"{language}={path}"]
        return [
            "compare",
            *sides,
            "--model",
            "tiny",
            "--measure",
            "cka",
            "--measure",
            "svcca",
            *mesh,
            *treatment,
            *more,
        ]

    states = []
    for name, part in (("one", slice(0, 40)), ("two", slice(40, 90))):
        assert await asyncio.to_thread(run, compare(name, part, "--keep-state", "--out", str(tmp_path / name))) == 0
        said = capsys.readouterr().err
        state = json.loads((tmp_path / name / "results.json").read_text())["state"]
        assert f"Kept: {state}" in said
        states.append(state)
    assert await asyncio.to_thread(run, compare("all", slice(0, 90), "--out", str(tmp_path / "all"))) == 0
    options = ["--measure", "cka", "--measure", "svcca", "--keep-state", "--out", str(tmp_path / "merged"), *mesh]
    assert await asyncio.to_thread(run, ["merge", *states, *options, *treatment]) == 0
    assert "Kept: moments/" in capsys.readouterr().err
    whole, merged = ({tuple(row[key] for key in ("metric", "source", "target", "layer")): row for row in
                      rows(tmp_path / name / "results.csv")} for name in ("all", "merged"))  # fmt: skip
    assert whole.keys() == merged.keys()
    assert await asyncio.to_thread(run, compare("grid", slice(0, 90), "--layer-pairing", "all")) == 0
    lines_printed = capsys.readouterr().out.splitlines()[1:]
    grid = {tuple(line.split("\t")[:5]): float(line.split("\t")[5]) for line in lines_printed}
    assert len(grid) == 2 * 9
    beside_others = grid["cka", "debiased", "en", "fr", "1"]  # sums of all pairs are added up in another order
    assert beside_others == pytest.approx(float(whole["cka", "en", "fr", "1"]["value"]), rel=1e-12)
    assert ("svcca", "mean", "en", "fr", "0|2") in grid
    found = ["retrieve", *compare("grid", slice(0, 90))[1:5], "--model", "tiny", "--layer-pairing", "all", *mesh]
    assert await asyncio.to_thread(run, found) == 0
    layers = {line.split("\t")[4] for line in capsys.readouterr().out.splitlines()[1:]}
    assert layers == {"0", "1", "2", "0|1", "0|2", "1|0", "1|2", "2|0", "2|1"}
    for key, row in merged.items():
        assert float(row["value"]) == pytest.approx(float(whole[key]["value"]), rel=1e-9)
        assert row["n"] == "90"
    assert await asyncio.to_thread(run, ["merge", states[0], states[0], *mesh]) == 1
    assert "each state once" in capsys.readouterr().err


def test_states_must_be_somewhere(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("BABELSCOPE_MESH", raising=False)
    assert run(["merge", "moments/x"]) == 2
    assert "`--mesh` or `--store`" in capsys.readouterr().err
    assert run(["compare", "--model", "m", "--parallel", "en=x", "--keep-state"]) == 2
    assert "`--mesh` or `--store`" in capsys.readouterr().err
