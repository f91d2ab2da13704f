"""What one client can ask of the trainer: lists, names and numbers have limits, and nothing compares each with all."""

import time
from typing import Any

import pytest
from babelscope.v1 import model_pb2, trainer_pb2

from services.runtime.errors import InvalidArgument, LimitExceeded
from services.runtime.files.store import Store
from services.runtime.rpc.public import Places
from services.trainer.api import names
from services.trainer.api.alignment import read_language_edits
from services.trainer.api.entering import read_labels
from services.trainer.api.jobs import read_job
from services.trainer.api.messages import read_states

SECONDS = 10.0
"""Beyond what any of these takes on a loaded machine, and far below what a quadratic one would."""


def _sets(count: int = 1, **more: str) -> list[trainer_pb2.LanguageDataset]:
    return [
        trainer_pb2.LanguageDataset(
            **{"language": "en", "domain": str(place), "dataset": f"datasets/{place:064x}", **more}
        )
        for place in range(count)
    ]


def _tuning(**given: Any) -> trainer_pb2.FineTuneSpec:
    return trainer_pb2.FineTuneSpec(
        **{"model": model_pb2.ModelRef(name="tiny"), "task": "pos", "train": _sets(), **given}
    )


def _sweep(**given: Any) -> trainer_pb2.Job:
    return trainer_pb2.Job(sweep=trainer_pb2.SweepSpec(**{"base": _tuning(), **given}))


RATES = [1 / (7 + number) for number in range(200_000)]


@pytest.mark.parametrize(
    ("job", "limit"),
    [
        (_sweep(seeds=range(200_000)), "max_cells"),
        (_sweep(learning_rates=RATES), "max_cells"),
        (_sweep(step_tokens=range(1, 200_000)), "max_cells"),
        (_sweep(seeds=range(200), learning_rates=RATES[:100]), "max_cells"),
        (_sweep(base=_tuning(eval=_sets(1000)), seeds=range(10_000)), "max_sweep_bytes"),
        (trainer_pb2.Job(fine_tune=_tuning(frozen=trainer_pb2.Frozen(patterns=["*a"] * 1001))), "max_patterns"),
        (
            trainer_pb2.Job(evaluate=trainer_pb2.EvaluateSpec(checkpoint="checkpoints/a", eval=_sets(), alphas=RATES)),
            "max_alphas",
        ),
        (trainer_pb2.Job(study=trainer_pb2.StudySpec(yaml="[" * (300 << 10))), "max_study_bytes"),
    ],
)
def test_lists_have_a_limit_that_is_found_out_at_once(job: trainer_pb2.Job, limit: str, tmp_path: Any) -> None:
    began = time.monotonic()
    with pytest.raises(LimitExceeded) as caught:
        read_job(job, Store(str(tmp_path)))
    assert caught.value.subject == limit
    assert time.monotonic() - began < SECONDS


def test_a_grid_as_large_as_may_be_is_read_in_linear_time(tmp_path: Any) -> None:
    began = time.monotonic()
    kind, spec = read_job(_sweep(seeds=range(10_000)), Store(str(tmp_path)))
    assert kind == "sweep"
    assert len(spec.seeds) == 10_000
    assert time.monotonic() - began < SECONDS
    with pytest.raises(InvalidArgument, match="seeds"):
        read_job(_sweep(seeds=[*range(9_000), 5]), Store(str(tmp_path)))


@pytest.mark.parametrize("text", ["a" * 256, "a\0b", "a\nb"])
@pytest.mark.parametrize("field", ["language", "dataset", "domain"])
def test_texts_that_the_table_keeps_are_short_and_printable(field: str, text: str, tmp_path: Any) -> None:
    with pytest.raises(InvalidArgument) as caught:
        read_job(trainer_pb2.Job(fine_tune=_tuning(train=_sets(**{field: text}))), Store(str(tmp_path)))
    assert caught.value.field == f"job.fine_tune.train[0].{field}"
    with pytest.raises(InvalidArgument):
        names.read_short(text, "request_id")


@pytest.mark.parametrize("name", ["checkpoints/a\0", "checkpoints/..", f"checkpoints/{'a' * 65}", "checkpoints/", "x"])
def test_checkpoints_of_evaluations_have_names(name: str, tmp_path: Any) -> None:
    with pytest.raises(InvalidArgument) as caught:
        read_job(
            trainer_pb2.Job(evaluate=trainer_pb2.EvaluateSpec(checkpoint=name, eval=_sets())), Store(str(tmp_path))
        )
    assert caught.value.field == "job.evaluate.checkpoint"


@pytest.mark.parametrize(
    "after",
    [
        *[("1.0",), ("x", "a"), ("1.0", "a\0"), ("1.0", "a" * 65), ("1.0", "a", "b")],
        *[
            (time, "a")
            for time in ("nan", "inf", "-inf", "1e999", "1_0.0", " 1.0", "1", "+1.0", "\u0661.0", "1.0\0", "")
        ],
    ],
)
def test_page_tokens_of_other_lists(after: tuple[str, ...]) -> None:
    with pytest.raises(InvalidArgument, match="next_page_token"):
        names.read_key(after)
    assert names.read_key(("1.5", "ab")) == (1.5, "ab")
    assert names.read_key(()) is None


def test_filters_have_a_limit() -> None:
    with pytest.raises(LimitExceeded):
        read_states([trainer_pb2.JOB_STATE_QUEUED] * 101)
    with pytest.raises(LimitExceeded):
        read_labels({str(number): "" for number in range(65)}, "labels")


def test_languages_of_interventions_have_a_limit_that_is_found_out_at_once(tmp_path: Any) -> None:
    groups = [trainer_pb2.LanguageInterventions(language=f"en-x-{number}") for number in range(100_000)]
    began = time.monotonic()
    with pytest.raises(LimitExceeded) as caught:
        read_language_edits(trainer_pb2.PredictSpec(language_interventions=groups), "spec", Store(str(tmp_path)))
    assert caught.value.subject == "max_interventions"
    assert time.monotonic() - began < SECONDS


def test_no_client_watches_in_all_places() -> None:
    watchers = Places(4, "max_watchers", "calls of WatchJob")
    with watchers.place("a"), watchers.place("a"), watchers.place("a"):
        with pytest.raises(LimitExceeded), watchers.place("a"):
            pass
        with watchers.place("b"), pytest.raises(LimitExceeded), watchers.place("c"):
            pass
    with watchers.place("a"):
        pass
