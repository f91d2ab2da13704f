"""A replica, called as Ray Serve calls it, in this process; batches of Serve itself need Ray, and are in the soak."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from babelscope.data.examples import Example

from services.models.catalogue import ModelFiles
from services.models.spec import ModelSpec
from services.runtime.errors import InvalidArgument, NotFound
from services.runtime.files.folders import put_folder
from services.runtime.files.store import Store
from services.trainer.evaluation.checkpoint import load_fine_tuned
from services.trainer.serving.predictions import AskedModel
from services.trainer.serving.replica import Replica
from services.trainer.serving.wire import PredictCall, unpack_answer
from services.trainer.training.fit import fit
from services.trainer.training.plan import FineTunePlan, LanguageSet, Optimisation
from tests.support.task_examples import SETS, direct_score, sentences


def _one_by_one(**_: Any) -> Callable[[Callable[[list[Any]], Awaitable[list[bytes]]]], Callable[[Any], Any]]:
    """In the place of `serve.batch`: each call is a batch."""

    def decorate(together: Callable[[list[Any]], Awaitable[list[bytes]]]) -> Callable[[Any], Any]:
        async def one(call: Any) -> bytes:
            return (await together([call]))[0]

        return one

    return decorate


def _said(replica: Replica, *calls: PredictCall) -> list[list[Example]]:
    """The answers to calls that come at once."""

    async def all_of_them() -> list[bytes]:
        return await asyncio.gather(*(replica.predict(call.pack()) for call in calls))

    return [unpack_answer(answer) for answer in asyncio.run(all_of_them())]


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # Ray Serve's own
def test_a_replica_answers_as_the_model_does_and_says_first_whether_it_can(
    files: ModelFiles, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = FineTunePlan(
        ModelSpec("tiny"), "pos", (LanguageSet("en", "x"),), optimisation=Optimisation(max_steps=3, step_tokens=200)
    )
    tuned = fit(plan, files=files, examples=lambda _: SETS["pos"](8), scorer=direct_score, workdir=tmp_path / "run")
    store = tmp_path / "store"
    name = put_folder(Store(str(store)), "checkpoints", tuned.folder).name
    env = {"BABELSCOPE_STORE_URL": str(store), "BABELSCOPE_CHECKPOINT_DIR": str(tmp_path / "cache")}
    env |= {"BABELSCOPE_DEVICE": "cpu", "BABELSCOPE_THREADS": "1", "BABELSCOPE_HUB": "false"}
    for key in env:
        monkeypatch.setenv(
            key, env[key]
        )  # a replica sets them for its whole process, whose they are no more afterwards
    monkeypatch.setattr("ray.serve.batch", _one_by_one)
    replica = Replica(env)
    # A call without examples comes first: it says whether the model can be asked.
    assert _said(replica, PredictCall(AskedModel(name), ())) == [[]]
    model = load_fine_tuned(tuned.folder)
    parts = [tuple(sentences(5, 1)), tuple(sentences(9, 2))]
    calls = [PredictCall(AskedModel(name), part) for part in parts]
    assert _said(replica, *calls) == [model.predict(part) for part in parts]
    with pytest.raises(InvalidArgument) as caught:
        _said(replica, PredictCall(AskedModel(name, max_tokens=10**6), ()))
    assert caught.value.field == "spec.max_tokens"
    with pytest.raises(NotFound):
        _said(replica, PredictCall(AskedModel("checkpoints/" + "0" * 64), ()))
