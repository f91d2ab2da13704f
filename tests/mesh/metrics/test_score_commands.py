"""`babelscope score` against a real server."""

import asyncio
import csv
import json
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


SQUAD = {
    "data": [
        {
            "paragraphs": [
                {
                    "context": "A cat sat. A dog ran.",
                    "qas": [
                        {"id": name, "question": "?", "answers": [{"text": text, "answer_start": start}]}
                        for name, text, start in (("q1", "cat", 2), ("q2", "dog ran", 13), ("q3", "sat", 6))
                    ],
                }
            ]
        }
    ]
}


async def test_answers_as_json_give_the_scores_of_items_that_compare_systems(
    serve: Callable[..., Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    mesh = ["--mesh", f"metrics={(await serve()).client.address}"]
    (tmp_path / "gold.json").write_text(json.dumps(SQUAD))
    systems = {"first": {"q1": "the cat", "q2": "dog"}, "second": {"q3": "sat", "q2": "dog ran", "q1": ""}}
    for name, answers in systems.items():
        (tmp_path / f"{name}.json").write_text(json.dumps(answers))
        files = ["--prediction", f"{tmp_path}/{name}.json", "--gold", f"{tmp_path}/gold.json", "--language", "en"]
        command = ["score", "qa", *files, "--items", f"{tmp_path}/{name}.csv"]
        command += ["--output", f"{tmp_path}/{name}-all.json", "--out", f"{tmp_path}/{name}-all"]
        assert await asyncio.to_thread(run, [*command, *mesh]) == 0
        assert "1 of 3 questions have no predicted answer" in capsys.readouterr().err
    assert (tmp_path / "first.csv").read_text() == (
        f"id,language,em,f1\nq1,en,100.0,100.0\nq2,en,0.0,{100 * (2 / 3)!r}\nq3,en,0.0,0.0\n"
    )
    assert (tmp_path / "first-all" / "items.csv").read_text() == (tmp_path / "first.csv").read_text()
    tidy = list(csv.DictReader((tmp_path / "second-all" / "results.csv").read_text().splitlines()))
    assert {row["metric"]: float(row["value"]) for row in tidy} == {"qa/em": 200 / 3, "qa/f1": 200 / 3}
    assert json.loads((tmp_path / "second-all" / "results.json").read_text())["score"] == "qa"
    whole = json.loads((tmp_path / "second-all.json").read_text())
    assert {row["metric"]: row["value"] for row in whole} == {"em": 200 / 3, "f1": 200 / 3}
    assert {row["score"] for row in whole} == {"qa"}
    both = [f"{tmp_path}/first.csv", f"{tmp_path}/second.csv"]
    assert await asyncio.to_thread(run, ["compare-systems", *both, "--resamples", "200", *mesh]) == 0
    rows = table(capsys.readouterr().out)
    assert [(row["column"], row["n"]) for row in rows] == [("em", "3"), ("f1", "3")]
    assert [float(row["difference"]) for row in rows] == pytest.approx([-100 / 3, (100 + 200 / 3 - 200) / 3])
    (tmp_path / "extra.json").write_text(json.dumps({"q1": "cat", "q9": "x"}))
    files = ["--prediction", f"{tmp_path}/extra.json", "--gold", f"{tmp_path}/gold.json", "--language", "en"]
    assert await asyncio.to_thread(run, ["score", "qa", *files, *mesh]) == 2
    assert "'q9' has none" in capsys.readouterr().err
    both = json.loads((tmp_path / "gold.json").read_text())
    both["data"] *= 2
    (tmp_path / "both.json").write_text(json.dumps(both))
    files = ["--prediction", f"{tmp_path}/first.json", "--gold", f"{tmp_path}/both.json", "--language", "en"]
    assert await asyncio.to_thread(run, ["score", "qa", *files, *mesh]) == 2
    assert "both.json, but got 'q1' twice" in " ".join(capsys.readouterr().err.split())


async def test_convert_rate_takes_the_source_corpus(
    serve: Callable[..., Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    mesh = ["--mesh", f"metrics={(await serve()).client.address}"]
    for name, lines in (("said", "le the 1\nchat ?\n"), ("gold", "le chat 1\ndort\n"), ("source", "the cat 1\ncat\n")):
        (tmp_path / f"{name}.txt").write_text(lines)
    files = ["--prediction", f"{tmp_path}/said.txt", "--gold", f"{tmp_path}/gold.txt", "--language", "fr"]
    assert await asyncio.to_thread(run, ["score", "convert_rate", *files, *mesh]) == 1
    assert "attributes[source]" in capsys.readouterr().err
    assert (
        await asyncio.to_thread(run, ["score", "convert_rate", *files, "--source", f"{tmp_path}/source.txt", *mesh])
        == 0
    )
    rows = {(row["metric"], row["estimator"]): float(row["value"]) for row in table(capsys.readouterr().out)}
    assert rows == {
        ("convert_rate", "corpus"): 0.5, ("token_set_size", "source"): 3, ("token_set_size", "target"): 4,
        ("token_set_size", "shared"): 1,
    }  # fmt: skip
    (tmp_path / "short.txt").write_text("the cat 1\n")
    assert (
        await asyncio.to_thread(run, ["score", "convert_rate", *files, "--source", f"{tmp_path}/short.txt", *mesh]) == 2
    )
    assert "short.txt, but got none" in capsys.readouterr().err


@pytest.mark.shared_data
async def test_real_gold_as_a_json_of_answers_scores_100(
    serve: Callable[..., Any],
    shared_data: Callable[[str], Path],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    mesh = ["--mesh", f"metrics={(await serve()).client.address}"]
    gold = shared_data("qa/xquad.th.json")
    questions = [
        item
        for article in json.loads(gold.read_text(encoding="utf-8"))["data"]
        for paragraph in article["paragraphs"]
        for item in paragraph["qas"]
    ]
    answers = {item["id"]: item["answers"][0]["text"] for item in questions}
    (tmp_path / "said.json").write_text(json.dumps(answers, ensure_ascii=False), encoding="utf-8")
    files = [
        "--prediction",
        f"{tmp_path}/said.json",
        "--gold",
        str(gold),
        "--language",
        "th",
        "--option",
        "resamples=20",
    ]
    assert await asyncio.to_thread(run, ["score", "qa", *files, "--items", f"{tmp_path}/items.csv", *mesh]) == 0
    rows = table(capsys.readouterr().out)
    assert {(row["metric"], row["estimator"], float(row["value"]), row["n"]) for row in rows} == {
        ("em", "char", 100.0, "1190"),
        ("f1", "char", 100.0, "1190"),
    }
    assert len((tmp_path / "items.csv").read_text().splitlines()) == 1191


async def test_an_empty_output_line_is_an_empty_prediction(
    serve: Callable[..., Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    mesh = f"metrics={(await serve()).client.address}"
    (tmp_path / "said.txt").write_text("a cat\n\n\n")
    (tmp_path / "gold.txt").write_text("a cat\na dog\n\n")
    files = ["--prediction", str(tmp_path / "said.txt"), "--gold", str(tmp_path / "gold.txt"), "--mesh", mesh]
    options = ["--language", "en", "--option", "resamples=50"]
    assert await asyncio.to_thread(run, ["score", "bleu1", *files, *options]) == 0
    (row, *_) = table(capsys.readouterr().out)
    assert row["n"] == "2"
    assert 0 < float(row["value"]) < 100
    (tmp_path / "said.txt").write_text("a cat\n\na horse\n")
    assert await asyncio.to_thread(run, ["score", "bleu1", *files, *options]) != 0
    assert "'3' has none" in capsys.readouterr().err
