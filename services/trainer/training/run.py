"""The training loop: steps, evaluations, and states on disk from which a run goes on bit for bit."""

import math
import platform
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import torch

from services.trainer.data.order import Step
from services.trainer.training.events import Checkpointed, Evaluated, Event, LossNotFinite, Progressed, Stopped
from services.trainer.training.objective import Objective
from services.trainer.training.optimiser import Optimiser
from services.trainer.training.plan import Trained
from services.trainer.training.state import Best, Place, RunFolder

CHECKPOINT_SECONDS = 120.0
"""Seconds of training between two states on disk, besides those at evaluations."""


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
    ) -> None:
        self._objective = objective
        self._report, self._stop, self._device = report, stop, device
        self._checkpoint_seconds = checkpoint_seconds
        how = objective.optimisation
        self._order = objective.order
        self._epochs = self._order.steps(how.epochs, how.max_steps)
        self._steps = sum(self._epochs)
        self._optimiser = Optimiser(objective.encoder_parameters, objective.head_parameters, how, self._steps)
        self._folder = RunFolder(workdir, objective.fingerprint)
        self._place = Place()
        self._seconds, self._tokens, self._done, self._saved = 0.0, 0, 0, time.monotonic()

    def finish(self) -> Trained:
        """Go on to the end."""
        found = self._folder.load(self._device)
        if found is not None:
            self._place, weights, moments = found
            self._optimiser.restore(weights, moments)
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

    def _go_on(self) -> None:
        due = self._evaluation_steps()
        if self._place.step in due and self._place.evaluated < self._place.step:
            # The run was stopped within this evaluation.
            self._evaluate()
            self._checkpoint()
        for number, batches, epoch in self._remaining():
            if self._place.ended:
                return
            self._step(number, batches, epoch)
            if number in due:
                self._evaluate()
            self._checkpoint()

    def _remaining(self) -> Iterator[tuple[int, Step, float]]:
        """Number, batches and epoch of each step that is still to do."""
        first = 0
        for epoch, size in enumerate(self._epochs):
            if self._place.step < first + size:
                steps = self._order.epoch(epoch)
                for place in range(max(self._place.step - first, 0), size):
                    yield first + place + 1, steps[place], epoch + (place + 1) / len(steps)
            first += size

    def _evaluation_steps(self) -> set[int]:
        """Steps after which the development sets are scored."""
        due: set[int] = set()
        first, each = 0, self._objective.optimisation.evaluations
        for size in self._epochs:
            due.update(first + max(1, round(size * (place + 1) / each)) for place in range(each))
            first += size
        return due | {self._steps}

    def _step(self, number: int, batches: Step, epoch: float) -> None:
        """One step of the optimiser; the loss is the mean over the targets of all its batches."""
        started = time.perf_counter()
        work = self._objective.work(number, batches)
        total = 0.0
        for compute in work.losses:
            loss = compute() / work.targets
            total += float(loss.detach())
            if not math.isfinite(total):
                raise LossNotFinite(number, "loss", self._folder.last())
            loss.backward()  # type: ignore[no-untyped-call]
        if not math.isfinite(self._optimiser.gradient_norm()):
            raise LossNotFinite(number, "gradient", self._folder.last())
        learning_rate = self._optimiser.step(number)
        self._place = replace(self._place, step=number)
        self._seconds += time.perf_counter() - started
        self._tokens += work.tokens
        self._done += 1
        self._report(
            Progressed(
                step=number,
                of=self._steps,
                epoch=epoch,
                loss=total,
                learning_rate=learning_rate,
                tokens_per_second=self._tokens / self._seconds,
                seconds_left=(self._steps - number) * self._seconds / self._done,
            )
        )

    def _evaluate(self) -> None:
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
            self._report(Evaluated(step, figures, score, better))

    def _checkpoint(self) -> None:
        """Write the state where it is time or an evaluation is done, and stop where that is wanted."""
        stopping = not self._place.ended and self._stop()
        evaluated = self._place.evaluated == self._place.step
        if evaluated or stopping or time.monotonic() - self._saved >= self._checkpoint_seconds:
            self._save()
        if stopping:
            raise Stopped(self._place.step)

    def _check(self) -> None:
        """Stop an evaluation where that is wanted; it is done again when the run goes on."""
        if self._stop():
            self._save()
            raise Stopped(self._place.step)

    def _save(self) -> None:
        folder = self._folder.save(self._place, self._optimiser.weights(), self._optimiser.moments(), self._device)
        self._saved = time.monotonic()
        self._report(Checkpointed(self._place.step, folder))

    def _provenance(self) -> dict[str, str]:
        """What another needs to get the same numbers."""
        return {
            **self._objective.provenance,
            "device": self._device if self._device == "cpu" else torch.cuda.get_device_name(self._device),
            "threads": str(torch.get_num_threads()),
            "torch": torch.__version__,
            "python": platform.python_version(),
        }
