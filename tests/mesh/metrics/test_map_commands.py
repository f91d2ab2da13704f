"""`babelscope fit-map` against real servers."""

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import babelscope
import numpy as np
import pytest
from babelscope.cli import run
from babelscope.corpora import read_word_pairs, read_word_vectors

from tests.support.encoder_calls import sentences
from tests.support.planted_maps import Planted, planted


@pytest.fixture(scope="module")
def case() -> Planted:
    """300 words."""
    return planted(3, 300, 8, 0.1)


def write_vectors(path: Path, words: Any, rows: Any) -> Path:
    lines = [f"{word} {' '.join(f'{value:.6f}' for value in row)}" for word, row in zip(words, rows, strict=True)]
    path.write_text("\n".join([f"{len(rows)} {len(rows[0])}", *lines]) + "\n")
    return path


@pytest.fixture
def files(tmp_path: Path, case: Planted) -> list[str]:
    problem = case.problem
    source = write_vectors(tmp_path / "en.vec", [f"en{i}" for i in range(300)], problem.source)
    target = write_vectors(tmp_path / "fr.vec", [f"fr{i}" for i in range(300)], problem.target)
    known = [f"en{i} fr{j}" for i, j in case.pairs(40)] + ["nowhere fr1", "en1 nulle-part"]
    (tmp_path / "seeds.txt").write_text("\n".join(known))
    return ["--source", f"en={source}", "--target", f"fr={target}", "--seeds", f"{tmp_path}/seeds.txt"]


async def test_vectors_and_a_dictionary_give_a_map_and_a_larger_dictionary(
    serve: Callable[..., Any], case: Planted, files: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    mesh = ["--mesh", f"metrics={(await serve()).client.address}"]
    arguments = ["fit-map", "procrustes", *files, "--out", str(tmp_path / "out"), "--option", "refinements=2", *mesh]
    assert await asyncio.to_thread(run, arguments) == 0
    printed = capsys.readouterr()
    assert "40 of 42 pairs" in printed.err
    header, row = (line.split("\t") for line in printed.out.splitlines())
    about = json.loads((tmp_path / "out" / "results.json").read_text())["maps"][0]
    assert dict(zip(header, row, strict=True))["source_map"] == about["source_map"]
    assert len(about["trace"]) == 3
    assert "pairs:40" in about["signature"]
    _, _, name = about["source_map"].partition("/")
    kept = babelscope.load_map(tmp_path / "store" / "maps" / name[:2] / name)
    np.testing.assert_allclose(kept.matrix, case.rotation, rtol=0, atol=0.1)
    induced = set(read_word_pairs(tmp_path / "out" / "dictionary-0.tsv").pairs)
    assert len(induced & {(f"en{i}", f"fr{j}") for i, j in case.pairs(300)}) >= 295


@pytest.mark.parametrize("normalisation", ["centre", "iterative"])
async def test_vectors_are_retrieved_through_a_map(
    serve: Callable[..., Any], case: Planted, files: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str],
    *, normalisation: str,
) -> None:  # fmt: skip
    mesh = ["--mesh", f"metrics={(await serve()).client.address}"]
    fit = [
        "fit-map",
        "procrustes",
        *files,
        "--out",
        str(tmp_path / "out"),
        "--option",
        f"normalisation={normalisation}",
    ]
    assert await asyncio.to_thread(run, [*fit, *mesh]) == 0
    about = json.loads((tmp_path / "out" / "results.json").read_text())["maps"][0]
    kept = {}
    for language, key in (("en", "source_map"), ("fr", "target_map")):
        _, _, name = about[key].partition("/")
        kept[language] = tmp_path / "store" / "maps" / name[:2] / name
    gold = tmp_path / "gold.tsv"
    gold.write_text("".join(f"en{i}\tfr{j}\n" for i, j in case.pairs(300)))
    words = ["--words", f"en={tmp_path}/en.vec", "--words", f"fr={tmp_path}/fr.vec"]
    command = ["retrieve", "--gold", str(gold), *words, "--similarity", "cosine", "--rank", "1", *mesh]
    capsys.readouterr()
    assert await asyncio.to_thread(run, command) == 0
    plain = [line.split("\t") for line in capsys.readouterr().out.splitlines()]
    maps = [
        option for language, path in kept.items() for option in ("--map", f"layer=0,map={path},language={language}")
    ]
    assert await asyncio.to_thread(run, [*command, *maps]) == 0
    moved = [line.split("\t") for line in capsys.readouterr().out.splitlines()]
    sides = [
        babelscope.load_map(kept[language]).transform(read_word_vectors(tmp_path / f"{language}.vec").vectors)
        for language in kept
    ]
    left, right = (side / np.linalg.norm(side, axis=1, keepdims=True) for side in sides)
    answers = dict(case.pairs(300))
    hits = np.mean(
        [answers[place] == int(found) for place, found in enumerate((left @ right.T).argmax(1)) if place in answers]
    )
    value = next(float(line[5]) for line in moved if line[:3] == ["p@1", "cosine", "en"])
    assert value == pytest.approx(hits)
    assert value > 0.9 > next(float(line[5]) for line in plain if line[:3] == ["p@1", "cosine", "en"])
    wrong = {
        "Expected layer=0 and a map alone in --map of vectors": f"layer=1,map={kept['en']},language=en",
        "Expected the file of a map, as vectors are mapped here, in --map": "layer=0,map=maps/abc,language=en",
    }
    for problem, option in wrong.items():
        assert await asyncio.to_thread(run, [*command, "--map", option]) == 2
        assert problem in capsys.readouterr().err


async def test_mistakes_are_one_line(
    serve: Callable[..., Any], files: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    end = ["--out", str(tmp_path / "out"), "--mesh", f"metrics={(await serve()).client.address}"]
    (tmp_path / "none.txt").write_text("x y\n")
    wrong = {
        "did you mean 'procrustes'": (1, ["procruste", *files, *end]),
        "did you mean 'refinements'": (1, ["procrustes", *files, "--option", "refinement=1", *end]),
        "none of 1 is": (2, ["procrustes", *files[:4], "--seeds", f"{tmp_path}/none.txt", *end]),
        "Expected known translations, or ids that both views have": (1, ["procrustes", *files[:4], *end]),
        "--source LANGUAGE=FILE": (2, ["procrustes", "--source", "en.vec", *files[2:], *end]),
        "--model NAME": (2, ["procrustes", "--source", f"en={tmp_path}/none.txt", *files[2:4], *end]),
    }
    for message, (code, arguments) in wrong.items():
        assert await asyncio.to_thread(run, ["fit-map", *arguments]) == code, message
        *notes, complaint = capsys.readouterr().err.splitlines()
        assert message in complaint
        assert all("pairs of" in note for note in notes)


async def test_corpora_go_through_the_encoder_and_hidden_states_come_from_files(
    serve: Callable[..., Any], encoder: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    mesh = ["--mesh", f"encoder={encoder},metrics={(await serve(encoder)).client.address}"]
    for seed, language in enumerate(("en", "fr")):
        (tmp_path / f"{language}.txt").write_text("\n".join(sentences(60, seed)))
    options = ["--option", "normalisation=centre", "--layers", "1,2", "--model", "tiny", *mesh]
    texts = [
        f"--{side}={language}={tmp_path}/{language}.txt" for side, language in (("source", "en"), ("target", "fr"))
    ]
    assert await asyncio.to_thread(run, ["fit-map", "procrustes", *texts, "--out", f"{tmp_path}/a", *options]) == 0
    for language in ("en", "fr"):
        arguments = [
            "--model",
            "tiny",
            "--input",
            f"{tmp_path}/{language}.txt",
            "--output",
            f"{tmp_path}/{language}.npz",
        ]
        assert await asyncio.to_thread(run, ["encode", *arguments, "--layers", "1,2", *mesh]) == 0
    arrays = [text.replace(".txt", ".npz") for text in texts]
    end = ["--out", f"{tmp_path}/b", "--option", "normalisation=centre", *mesh]
    assert await asyncio.to_thread(run, ["fit-map", "procrustes", *arrays, *end]) == 0
    capsys.readouterr()
    by_text, by_array = (json.loads((tmp_path / name / "results.json").read_text())["maps"] for name in "ab")
    assert [each["layer"] for each in by_text] == [each["layer"] for each in by_array] == [1, 2]
    for one, other in zip(by_text, by_array, strict=True):
        assert one["trace"] == pytest.approx(other["trace"], rel=1e-6)
        assert one["affine"]
    first = (tmp_path / "a" / "dictionary-1.tsv").read_text()
    assert first == (tmp_path / "b" / "dictionary-1.tsv").read_text()
