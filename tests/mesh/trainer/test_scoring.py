"""Figures of predictions from a metrics server equal those counted directly."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
from babelscope.data.examples import Example
from babelscope.sync.metrics import MetricsClient

from services.metrics.service import MetricsService
from services.metrics.settings import MetricsSettings
from services.runtime.errors import FailedPrecondition
from services.runtime.server import Server
from services.trainer.evaluation.figures import Pair, SetFigures
from services.trainer.evaluation.scoring import MetricsScorer
from services.trainer.tasks import TASKS, make_task
from tests.support.task_examples import SETS, direct_score

OPTIONS = {"ner": {"repair": "conll"}, "qa": {"normaliser": "korquad"}}
"""Rules under which a direct count is simple: no change of type within a span, articles that count."""


@pytest.fixture
async def scorer(tmp_path: Path) -> AsyncIterator[MetricsScorer]:
    """The client of a metrics server in this process."""
    settings = MetricsSettings(port=0, scratch_dir=tmp_path / "scratch", store_url=str(tmp_path / "store"))
    server = Server(MetricsService(settings), settings)
    await server.start()
    client = MetricsClient(f"127.0.0.1:{server.port}")
    yield MetricsScorer(client, resamples=50)
    client.close()
    await server.drain(0.0)


def _pairs(task: str) -> list[Pair]:
    """Gold examples, every third of which is predicted as the one before it of the same shape would be."""
    gold = SETS[task](30)
    wrong = SETS[task](30, 7)
    return [(each, _answers(each, wrong[place]) if place % 3 == 0 else each) for place, each in enumerate(gold)]


def _answers(gold: Example, other: Example) -> Example:
    """The gold example with the other's answers, as far as they fit."""
    content = gold.content
    if hasattr(content, "words"):
        words = tuple(
            replace(word, upos="X", ner="O", head=None, deprel="") if place % 2 else word
            for place, word in enumerate(content.words)
        )
        return replace(gold, content=replace(content, words=words))
    if hasattr(content, "label"):
        return replace(gold, content=replace(content, label=other.content.label))
    return replace(gold, content=replace(content, answers=()))


@pytest.mark.parametrize("name", TASKS)
async def test_the_service_scores_as_a_direct_count(name: str, scorer: MetricsScorer) -> None:
    task, pairs = make_task(name, OPTIONS.get(name, {})), _pairs(name)
    scored = await asyncio.to_thread(scorer, task.score, "en", task.score_options(), pairs)
    ours = SetFigures("en", "made", scored.figures).find(task.main)
    [direct] = direct_score(task.score, "en", task.score_options(), pairs).figures
    assert ours.value == pytest.approx(direct.value)
    assert 0.0 < ours.value < 100.0
    assert ours.low <= ours.value <= ours.high
    assert ours.low < ours.high
    assert ours.n == 30
    assert "bootstrap-items-50" in ours.signature
    if name == "nli":
        cells = {(each.left, each.right): each.value for each in scored.figures if each.metric == "confusion"}
        assert sum(cells.values()) == 30
        assert ("neutral", "neutral") in cells


async def test_what_the_service_refuses_is_told(scorer: MetricsScorer) -> None:
    bare = [(replace(gold, content=replace(gold.content, label="")), said) for gold, said in _pairs("nli")]
    with pytest.raises(FailedPrecondition, match="gold label"):
        await asyncio.to_thread(scorer, "nli", "en", {}, bare)
