"""A small study of real servers and a small real model."""

import random
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import babelscope
import pytest
from babelscope.local.mesh import LocalMesh
from babelscope.study import StudyResult, load_study, run_study

from tests.support.models import WORDS, make_root

STUDY = """
name: small
title: Does it run?
corpus: {{format: lines, pattern: "{{language}}.txt"}}
languages: [en, fr, sw]
models: [tiny]
measures: [{{name: cka, estimator: debiased}}, svcca, cosine]
random_init: {{groups: pairs, seeds: [1]}}
retrieval: {{similarities: [cosine, csls]}}
{extra}
"""


@pytest.fixture(scope="session")
def mesh(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalMesh]:
    """A mesh that knows the model `tiny`."""
    root = make_root(tmp_path_factory.mktemp("models"))
    store = tmp_path_factory.mktemp("store")
    with babelscope.local(store=store, model_roots=[root], env={"BABELSCOPE_HUB": "false"}, threads=1) as started:
        yield started


def _write(root: Path, extra: str = "", folder: str = "corpus", prefix: str = "s") -> Path:
    """Writes a study and its texts: sentences of 400 ids, alike in all languages but for some words."""
    draw = random.Random(0)
    where = root / folder
    where.mkdir()
    sentences = [[draw.choice(WORDS) for _ in range(draw.randint(3, 12))] for _ in range(400)]
    for language, changed in (("en", 0.0), ("fr", 0.3), ("sw", 0.8)):
        lines = [
            f"{prefix}{at}\t"
            + " ".join(draw.choice(WORDS) if draw.random() < changed else word for word in sentence)
            + "\n"
            for at, sentence in enumerate(sentences)
        ]
        (where / f"{language}.txt").write_text("".join(lines))
    path = where / "study.yaml"
    path.write_text(STUDY.format(extra=extra))
    return path


@pytest.fixture
def corpus(tmp_path: Path) -> Callable[..., Path]:
    """Writes the study and its texts into the test's folder."""
    return partial(_write, tmp_path)


@pytest.fixture(scope="module")
def undisturbed(mesh: LocalMesh, tmp_path_factory: pytest.TempPathFactory) -> StudyResult:
    """A study with nothing in its way, run once for all that compare with it."""
    folder = tmp_path_factory.mktemp("undisturbed")
    return run_study(load_study(_write(folder)), mesh, folder / "out")
