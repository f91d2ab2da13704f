"""A datagen server and a trainer that keep what they are given, for grids of pretraining."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

from babelscope.data.datasets import Step
from babelscope.data.examples import Example


@dataclass
class Kept:
    """Both clients in one. What was put, transformed and entered is kept in order.

    Attributes:
        put: Examples by name of the dataset.
        steps: Steps of every transform, with what went in.
        entered: Arguments of every job.
        states: States that jobs have when they are entered, by label of their cell.
        retried: Names of jobs that were tried again.
    """

    put: dict[str, list[Example]] = field(default_factory=dict)
    steps: list[tuple[Step, list[Example]]] = field(default_factory=list)
    entered: list[dict[str, Any]] = field(default_factory=list)
    states: dict[str, str] = field(default_factory=dict)
    retried: list[str] = field(default_factory=list)

    @property
    def datagen(self) -> "Kept":
        """The datagen server."""
        return self

    @property
    def trainer(self) -> "Kept":
        """The trainer."""
        return self

    def put_dataset(self, examples: Iterable[Example], *, title: str = "") -> Any:
        """Keeps examples."""
        name = f"datasets/{len(self.put)}"
        self.put[name] = list(examples)
        return SimpleNamespace(name=name, title=title)

    def get_dataset(self, name: str) -> list[Example]:
        """Examples that were kept."""
        return self.put[name]

    def transform(self, examples: Iterable[Example], steps: Sequence[Step]) -> list[Example]:
        """Gives examples back, each marked with the name of the step."""
        [step] = steps
        given = list(examples)
        self.steps.append((step, given))
        return [Example(each.id, f"{step.name}: {each.content}", each.language) for each in given]

    def pretrain_mlm(self, start: Any, train: Any, **how: Any) -> Any:
        """Enters a job; one request id is one job."""
        request = how["entry"]["request_id"]
        known = [each["entry"]["request_id"] for each in self.entered]
        if request not in known:
            self.entered.append({"start": start, "train": train, **how})
            known.append(request)
        cell = how["entry"]["labels"]["cell"]
        return SimpleNamespace(name=f"jobs/{known.index(request)}", state=self.states.get(cell, "queued"))

    def retry_job(self, name: str) -> Any:
        """Tries a job again."""
        self.retried.append(name)
        return SimpleNamespace(name=name, state="queued")
