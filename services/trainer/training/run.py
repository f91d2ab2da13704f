"""The training loop: steps, evaluations, and states on disk from which a run goes on bit for bit."""

import json
import math
import platform
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import NoReturn

import numpy as np
import torch

from services.trainer.data.order import Step, evaluation_steps
from services.trainer.parallel.shares import shares
from services.trainer.parallel.team import SOLO, Team
from services.trainer.training.events import Checkpointed, Evaluated, Event, LossNotFinite, Progressed, Stopped
from services.trainer.training.objective import Objective
from services.trainer.training.optimiser import Optimiser
from services.trainer.training.plan import Trained
from services.trainer.training.state import Best, Place, RunFolder, State, random_states
from services.trainer.training.together import by_rank, check_regrouped, check_workers, shared, take_up

CHECKPOINT_SECONDS = 120.0
"""Seconds of training between two states on disk, besides those at evaluations."""
_OWN = "objective/"
"""Prefix of the objective's own state among the moments."""
_BEAT_SECONDS = 10.0
"""Seconds between two signs of life of an evaluation to the workers that wait for it."""
_GOING_ON, _DONE, _STOPPING = range(3)
"""What the first worker says of an evaluation; of a step, whether a state is due, or the end."""


@contextmanager
def arithmetic(seed: int, threads: int, device: str) -> Iterator[None]:
    """Threads and generators of a run, and afterwards those from before.

    Args:
        seed: Seed of torch's generators.
        threads: Threads on a processor; what torch has where 0.
        device: Device of the model.
    """
    before = torch.get_num_threads()
    devices = [] if device == "cpu" else [device]
    with torch.random.fork_rng(devices=devices):
        torch.manual_seed(seed % (1 << 63))
        try:
            torch.set_num_threads(threads or before)
            yield
        finally:
            torch.set_num_threads(before)


class Run:
    """A run under way.

    Args:
        objective: What is trained.
        workdir: Folder of the run.
        report: Is told of each event.
        stop: Whether to stop.
        device: Device of the model.
        checkpoint_seconds: Seconds of training between two states.
        team: The workers of the run.
    """

    def __init__(
        self,
        objective: Objective,
        *,
        workdir: Path,
        report: Callable[[Event], None],
        stop: Callable[[], bool],
        device: str,
        checkpoint_seconds: float,
        team: Team = SOLO,
    ) -> None:
        self._objective = objective
        self._report, self._stop, self._device = report, stop, device
        self._team, self._first = team, team.rank == 0
        self._checkpoint_seconds = checkpoint_seconds
        how = objective.optimisation
        self._order = objective.order
        self._epochs = self._order.steps(how.epochs, how.max_steps)
        self._steps = sum(self._epochs)
        self._optimiser = Optimiser(objective.encoder_parameters, objective.head_parameters, how, self._steps)
        self._folder = RunFolder(workdir, objective.fingerprint)
        self._place = Place()
        self._seconds, self._tokens, self._done = 0.0, 0, 0
        self._saved = self._beat = time.monotonic()

    def finish(self) -> Trained:
        """Go on to the end."""
        self._begin()
        if not self._place.ended:
            self._go_on()
        best = self._place.best
        assert best is not None
        return Trained(
            folder=self._folder.best(best.step),
            step=best.step,
            steps=self._place.step,
            score=best.score,
            figures=best.figures,
            warnings=self._objective.warnings,
            provenance=self._provenance(),
        )

    def _begin(self) -> None:
        """Take up the last state, or draw the first one: the first worker's for all of them."""
        how, team = self._objective.optimisation, self._team
        check_workers(how, team, self._objective.fingerprint)
        state = self._folder.load() if self._first else None
        self._place = Place.read(json.loads(team.told(json.dumps((state.place if state else Place()).to_json()))))
        state = shared(team, state or State(self._place, self._optimiser.weights(), {}, {}))
        if self._place.workers:
            check_regrouped(how, self._place)
        if self._place.step or team.size > 1:
            own = {name for name in state.moments if name.startswith(_OWN)}
            self._objective.restore({name.removeprefix(_OWN): state.moments[name] for name in own})
            moments = {name: tensor for name, tensor in state.moments.items() if name not in own}
            self._optimiser.restore(state.weights, moments)
        take_up(team.rank, state, how.seed, self._device)
        self._place = self._place.done_by(how.workers)

    def _go_on(self) -> None:
        first = 0
        for epoch, size in enumerate(self._epochs):
            if self._place.step <= first + size and not self._place.ended:
                self._go_through(epoch, first, size)
            first += size

    def _go_through(self, epoch: int, first: int, size: int) -> None:
        """What is still to do of an epoch, whose steps have the numbers from `first` + 1 to `first` + `size`."""
        due = {first + step for step in evaluation_steps(size, self._objective.optimisation.evaluations)}
        if self._place.step in due and self._place.evaluated < self._place.step:
            # The run was stopped within this evaluation.
            self._evaluate()
            self._checkpoint()
        if self._place.step == first + size:
            return
        steps = self._order.epoch(epoch)
        for place in range(max(self._place.step - first, 0), size):
            if self._place.ended:
                return
            number = first + place + 1
            self._step(number, steps[place], epoch + (place + 1) / len(steps))
            if number in due:
                self._evaluate()
            self._checkpoint()

    def _step(self, number: int, batches: Step, epoch: float) -> None:
        """One step of the optimiser; the loss is the mean over the targets of all its batches."""
        started = time.perf_counter()
        work = self._objective.work(number, batches, self._own(batches))
        own = 0.0
        for compute in work.losses:
            loss = compute() / work.targets
            own += float(loss.detach())
            loss.backward()  # type: ignore[no-untyped-call]
        total = self._team.reduce(self._optimiser.parameters, own)
        for quantity, value in (("loss", total), ("gradient", self._optimiser.gradient_norm())):
            if not math.isfinite(value):
                raise LossNotFinite(number, quantity, self._team.agree(self._folder.last()))
        learning_rate = self._optimiser.step(number)
        self._place = replace(self._place, step=number)
        self._seconds += time.perf_counter() - started
        self._tokens += work.tokens
        self._done += 1
        self._tell(
            Progressed(
                step=number,
                of=self._steps,
                epoch=epoch,
                loss=total,
                learning_rate=learning_rate,
                tokens_per_second=self._tokens / self._seconds,
                seconds_left=(self._steps - number) * self._seconds / self._done,
                figures=work.figures,
            )
        )

    def _own(self, batches: Step) -> Step:
        """What this worker computes of each batch."""
        if self._team.size == 1:
            return tuple(np.arange(len(members)) for members in batches)
        lengths = np.asarray(self._order.lengths)
        return tuple(shares(lengths[members], self._team.size)[self._team.rank] for members in batches)

    def _evaluate(self) -> None:
        """Score the development sets, which the first worker does while the others wait."""
        if self._first:
            self._score()
            self._team.agree(_DONE)
        else:
            while (said := self._team.agree(_GOING_ON)) == _GOING_ON:
                pass
            if said == _STOPPING:
                self._end_early()
        self._place = Place.read(json.loads(self._team.told(json.dumps(self._place.to_json()))))

    def _score(self) -> None:
        """Score the development sets; keep the model where it is the best so far, or where there are none."""
        step, objective = self._place.step, self._objective
        figures = objective.figures(self._check)
        score = objective.score(figures)
        best = self._place.best
        better = best is None or score is None or best.score is None or score > best.score
        if better and (figures or step == self._steps):
            objective.write(self._folder.best(step))
            best = Best(step, score, figures)
        stale = 0 if better else self._place.stale + 1
        patience = objective.optimisation.patience
        self._place = replace(
            self._place,
            evaluated=step,
            stale=stale,
            best=best,
            ended=step == self._steps or (patience > 0 and stale >= patience),
        )
        if score is not None:
            self._tell(Evaluated(step, figures, score, better))

    def _checkpoint(self) -> None:
        """Write the state where it is time or an evaluation is done, and stop where that is wanted."""
        said = _GOING_ON
        if self._first:
            due = time.monotonic() - self._saved >= self._checkpoint_seconds
            stopping = not self._place.ended and self._stop()
            said = _STOPPING if stopping else _DONE if due else _GOING_ON
        said = self._team.agree(said)
        if said == _STOPPING:
            self._end_early()
        if said == _DONE or self._place.evaluated == self._place.step:
            self._save()

    def _check(self) -> None:
        """Stop an evaluation where that is wanted; it is done again when the run goes on."""
        stopping = self._stop()
        if stopping or time.monotonic() - self._beat >= _BEAT_SECONDS:
            self._beat = time.monotonic()
            self._team.agree(_STOPPING if stopping else _GOING_ON)
        if stopping:
            self._end_early()

    def _end_early(self) -> NoReturn:
        self._save()
        raise Stopped(self._place.step)

    def _save(self) -> None:
        """Write the state with the random states of all workers."""
        random = by_rank(self._team.gathered(random_states(self._device)))
        if self._first:
            own = {_OWN + name: tensor for name, tensor in self._objective.state().items()}
            weights, moments = self._optimiser.weights(), self._optimiser.moments() | own
            folder = self._folder.save(State(self._place, weights, moments, random))
            self._tell(Checkpointed(self._place.step, folder))
        self._saved = time.monotonic()

    def _tell(self, event: Event) -> None:
        if self._first:
            self._report(event)

    def _provenance(self) -> dict[str, str]:
        """What another needs to get the same numbers."""
        return {
            **self._objective.provenance,
            "device": self._device if self._device == "cpu" else torch.cuda.get_device_name(self._device),
            "threads": str(torch.get_num_threads()),
            "workers": self._place.history(),
            "torch": torch.__version__,
            "python": platform.python_version(),
        }
