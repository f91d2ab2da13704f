"""Predictions through another process: the bytes on the way, several at once, and what happens when it dies."""

import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from babelscope.data.examples import Answer, Example, Question, Sentence, TextPair, Word

from services.models.catalogue import ModelFiles
from services.models.spec import Edit, ModelSpec
from services.runtime.errors import (
    DataLoss,
    FailedPrecondition,
    InvalidArgument,
    LimitExceeded,
    NotFound,
    ServiceError,
    Unavailable,
)
from services.runtime.work import Stopped
from services.trainer.alignment.edits import LanguageEdit
from services.trainer.evaluation.checkpoint import load_fine_tuned
from services.trainer.serving.joint import predict_together
from services.trainer.serving.plan import ServePlan
from services.trainer.serving.predictions import PORTION, AskedModel
from services.trainer.serving.remote import ServedPredictions
from services.trainer.serving.wire import PredictCall, pack_error, pack_examples, unpack_answer
from services.trainer.training.fit import fit
from services.trainer.training.plan import FineTunePlan, LanguageSet, Optimisation
from tests.support.task_examples import SETS, direct_score, sentences

EXAMPLES = (
    Example("a", 'Text with \u2028 and "quotes"', "en", attributes={"split": "dev"}),
    Example("b", Sentence((Word("Eis", upos="NOUN", head=0, deprel="root", space_after=False),), "Eis"), "de", line=3),
    Example("c", TextPair("p", "h", "neutral")),
    Example("d", Question("Ein Satz.", "Was?", (Answer("Satz", 4), Answer("Ein", 0)), 2), "de"),
)
EDITS = (
    LanguageEdit(Edit(2, vector=np.arange(3, dtype=np.float32), alpha=0.1, vector_positions="all"), "de"),
    LanguageEdit(Edit(1, matrix=np.eye(3, dtype=np.float32), bias=np.ones(3, np.float32))),
)


def test_calls_and_answers_come_back_as_they_were() -> None:
    call = PredictCall(AskedModel("checkpoints/a", EDITS, 7), EXAMPLES)
    found = PredictCall.unpack(call.pack())
    assert found.asked.key == call.asked.key
    assert found.examples == EXAMPLES
    assert PredictCall.unpack(PredictCall(AskedModel("c"), ()).pack()).asked.edits == ()
    assert unpack_answer(pack_examples(EXAMPLES)) == list(EXAMPLES)


@pytest.mark.parametrize(
    "error",
    [
        InvalidArgument("spec.max_tokens", "Expected ü"),
        NotFound("checkpoint", "checkpoints/x", ("checkpoints/y",), "in the store"),
        FailedPrecondition("checkpoint a", "its head does not load"),
        LimitExceeded("max_x", "Expected less", 2.0),
        DataLoss("bytes are missing"),
        Unavailable("the store cannot be reached"),
    ],
)
def test_errors_come_back_as_they_were(error: ServiceError) -> None:
    with pytest.raises(type(error)) as caught:
        unpack_answer(pack_error(error))
    known = {name: value for name, value in vars(error).items() if name != "retry_after"}
    assert {name: vars(caught.value)[name] for name in known} == known
    assert str(error) in str(caught.value)
    with pytest.raises(Unavailable, match="ZeroDivisionError: nothing"):
        unpack_answer(pack_error(ZeroDivisionError("nothing")))


def test_calls_that_are_answered_together_have_the_answers_of_each_alone(files: ModelFiles, tmp_path: Path) -> None:
    plan = FineTunePlan(
        ModelSpec("tiny"), "qa", (LanguageSet("en", "x"),), optimisation=Optimisation(max_steps=3, step_tokens=200)
    )
    tuned = fit(plan, files=files, examples=lambda _: SETS["qa"](8), scorer=direct_score, workdir=tmp_path)
    model = load_fine_tuned(tuned.folder, max_tokens=60)
    parts = [SETS["qa"](5, 1, words=60), SETS["qa"](1, 2), SETS["qa"](4, 3)]
    together = predict_together(model, [model.ready.prepare(part) for part in parts])
    assert together == [model.predict(part) for part in parts]


class Direct:
    """Answers with the text `direct`."""

    def __init__(self) -> None:
        self.asked = 0

    def predict(
        self, asked: AskedModel, examples: Iterable[Example], check: Callable[[], None]
    ) -> Iterator[list[Example]]:
        self.asked += 1
        check()
        yield [Example(each.id, "direct") for each in examples]


@pytest.fixture(scope="module")
def served() -> Iterator[ServedPredictions]:
    made = ServedPredictions(Direct(), lambda: ("tests.support.echo_gateway", "die", os.environ))
    yield made
    made.close()


def _ask(served: ServedPredictions, examples: Iterable[Example], max_tokens: int = 0) -> list[Example]:
    found = served.predict(AskedModel("checkpoints/a", max_tokens=max_tokens), examples, lambda: None)
    return [each for portion in found for each in portion]


def test_requests_at_once_get_their_own_answers(served: ServedPredictions) -> None:
    asked = [[Example(f"{number}-{place}", f"t{number}") for place in range(PORTION + 3)] for number in range(6)]
    with ThreadPoolExecutor(6) as pool:
        assert list(pool.map(lambda each: _ask(served, each), asked)) == asked
    with pytest.raises(InvalidArgument) as caught:
        _ask(served, EXAMPLES, -1)
    assert caught.value.field == "spec.max_tokens"
    # What the model refuses, it refuses before there are examples.
    assert _ask(served, []) == []
    with pytest.raises(InvalidArgument):
        _ask(served, [], -1)


def test_a_process_that_dies_is_replaced_and_its_calls_are_answered_here(served: ServedPredictions) -> None:
    assert _ask(served, EXAMPLES) == list(EXAMPLES)
    first = served._gateway
    assert [each.content for each in _ask(served, [Example("x", "die")])] == ["direct"]
    assert _ask(served, EXAMPLES) == list(EXAMPLES)
    assert served._gateway is not first
    assert first is not None
    assert first._process.poll() == 7


def test_who_no_longer_waits_stops_at_once(served: ServedPredictions) -> None:
    def gone() -> None:
        raise Stopped

    with pytest.raises(Stopped):
        list(served.predict(AskedModel("checkpoints/a"), EXAMPLES, gone))
    assert _ask(served, EXAMPLES) == list(EXAMPLES)


def test_a_process_that_cannot_start_leaves_the_work_here() -> None:
    direct = Direct()
    served = ServedPredictions(direct, lambda: ("tests.support.nothing_of_that_name", "", os.environ))
    assert [each.content for each in _ask(served, EXAMPLES)] == ["direct"] * 4
    assert direct.asked == 1
    served.close()


def test_a_plan_comes_back_as_it_was() -> None:
    plan = ServePlan("name", "ray://x:1", "", 3, 2.0, 0.5, {"BABELSCOPE_THREADS": "2"})
    assert ServePlan.read(plan.text()) == plan


def test_sentences_of_a_call_are_those_of_the_request() -> None:
    examples = tuple(sentences(30))
    assert PredictCall.unpack(PredictCall(AskedModel("c"), examples).pack()).examples == examples
