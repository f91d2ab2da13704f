"""Fine-tuning: the loop over steps, evaluation, and states on disk."""

import math
import platform
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import torch
from babelscope.data.examples import Example

from services.models.catalogue import ModelFiles
from services.models.layers.interventions import Interventions
from services.trainer.data.batches import collate
from services.trainer.data.order import Order, Step
from services.trainer.evaluation.figures import Scorer
from services.trainer.evaluation.forward import last_hidden_state
from services.trainer.evaluation.prediction import mean_main
from services.trainer.training.checks import check, fingerprint
from services.trainer.training.events import Checkpointed, Evaluated, Event, LossNotFinite, Progressed, Stopped
from services.trainer.training.folder import write_folder
from services.trainer.training.material import Material
from services.trainer.training.optimiser import Optimiser
from services.trainer.training.plan import FineTuned, FineTunePlan
from services.trainer.training.provenance import provenance
from services.trainer.training.state import Best, Place, RunFolder

CHECKPOINT_SECONDS = 120.0
"""Seconds of training between two states on disk, besides those at evaluations."""


def fit(
    plan: FineTunePlan,
    *,
    files: ModelFiles,
    examples: Callable[[str], Iterable[Example]],
    scorer: Scorer,
    workdir: Path,
    report: Callable[[Event], None] = lambda event: None,
    stop: Callable[[], bool] = lambda: False,
    device: str = "cpu",
    checkpoint_seconds: float = CHECKPOINT_SECONDS,
) -> FineTuned:
    """Fine-tune a model, going on from what stands in `workdir`.

    A run that died at any moment and is called again with the same arguments ends with the weights and figures of an
    undisturbed one, bit for bit on the same device with the same number of threads. A run that is over is not repeated.
    torch's global generators and its number of threads are as before when this returns.

    Args:
        plan: Plan of the run.
        files: Files of the models that may be loaded.
        examples: Datasets by name; each is read once.
        scorer: Computes the figures of the development sets.
        workdir: Folder of this run; made where it is not there.
        report: Is told of each event, in this thread; one step, one event.
        stop: Asked after each step and between batches of an evaluation.
        device: `cpu`, `cuda:0`.
        checkpoint_seconds: Seconds of training between two states on disk.

    Raises:
        InvalidArgument: Something in the plan is wrong, or does not fit the model.
        NotFound: No such model.
        FailedPrecondition: The model cannot be trained, a set has nothing to train or to score on, or `workdir` is that
            of another run.
        LossNotFinite: Loss or gradient is no finite number.
        Stopped: `stop` said so; the state is on disk.
    """
    check(plan)
    with _arithmetic(plan, device):
        material = Material.gather(plan, files, examples, report, device)
        run = _Run(
            plan,
            material,
            scorer=scorer,
            workdir=workdir,
            report=report,
            stop=stop,
            device=device,
            checkpoint_seconds=checkpoint_seconds,
        )
        return run.finish()


@contextmanager
def _arithmetic(plan: FineTunePlan, device: str) -> Iterator[None]:
    """Threads and generators of a run, and afterwards those from before."""
    threads = torch.get_num_threads()
    devices = [] if device == "cpu" else [device]
    with torch.random.fork_rng(devices=devices):
        torch.manual_seed(plan.optimisation.seed % (1 << 63))
        try:
            torch.set_num_threads(plan.threads or threads)
            yield
        finally:
            torch.set_num_threads(threads)


class _Run:
    """A run under way.

    Args:
        plan: Plan of the run.
        material: Model, task, head and sets.
        scorer: Computes figures.
        workdir: Folder of the run.
        report: Is told of each event.
        stop: Whether to stop.
        device: Device of the model.
        checkpoint_seconds: Seconds of training between two states.
    """

    def __init__(
        self,
        plan: FineTunePlan,
        material: Material,
        *,
        scorer: Scorer,
        workdir: Path,
        report: Callable[[Event], None],
        stop: Callable[[], bool],
        device: str,
        checkpoint_seconds: float,
    ) -> None:
        self._plan, self._material, self._scorer = plan, material, scorer
        self._report, self._stop, self._device = report, stop, device
        self._checkpoint_seconds = checkpoint_seconds
        how = plan.optimisation
        lengths = tuple(len(piece.text) for piece in material.pieces)
        budget = max(1, how.step_tokens // how.accumulation)
        self._order = Order(lengths, budget, how.accumulation, how.seed)
        self._epochs = self._order.steps(how.epochs, how.max_steps)
        self._steps = sum(self._epochs)
        self._optimiser = Optimiser(material.encoder.trained, dict(material.head.named_parameters()), how, self._steps)
        self._dropout = material.encoder.dropout(how.dropout)
        self._interventions = Interventions(plan.edits, device)
        self._folder = RunFolder(workdir, fingerprint(plan, material.encoder.digest, material.pieces))
        self._place = Place()
        self._seconds, self._tokens, self._done, self._saved = 0.0, 0, 0, time.monotonic()

    def finish(self) -> FineTuned:
        """Go on to the end."""
        found = self._folder.load(self._device)
        if found is not None:
            self._place, weights, moments = found
            self._optimiser.restore(weights, moments)
        if not self._place.ended:
            self._go_on()
        best = self._place.best
        assert best is not None
        return FineTuned(
            folder=self._folder.best(best.step),
            step=best.step,
            steps=self._place.step,
            score=best.score,
            figures=best.figures,
            warnings=self._material.warnings,
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
        first, each = 0, self._plan.optimisation.evaluations
        for size in self._epochs:
            due.update(first + max(1, round(size * (place + 1) / each)) for place in range(each))
            first += size
        return due | {self._steps}

    def _step(self, number: int, batches: Step, epoch: float) -> None:
        """One step of the optimiser; the loss is the mean over the targets of all its batches."""
        started = time.perf_counter()
        material, dtype = self._material, self._plan.optimisation.dtype
        material.head.train(True)
        chosen = [[material.pieces[place] for place in members] for members in batches]
        targets = sum(piece.count for pieces in chosen for piece in pieces)
        total = 0.0
        for pieces in chosen:
            batch = collate(pieces, material.encoder.positions, self._device)
            encoder = material.encoder.build(dtype, self._dropout)
            hidden_TD = last_hidden_state(encoder, batch.layout, dtype, self._interventions)
            loss = material.head.loss(hidden_TD, batch) / targets
            total += float(loss.detach())
            if not math.isfinite(total):
                raise LossNotFinite(number, "loss", self._folder.last())
            loss.backward()
        if not math.isfinite(self._optimiser.gradient_norm()):
            raise LossNotFinite(number, "gradient", self._folder.last())
        learning_rate = self._optimiser.step(number)
        self._place = replace(self._place, step=number)
        self._seconds += time.perf_counter() - started
        self._tokens += sum(len(piece.text) for pieces in chosen for piece in pieces)
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
        step, material = self._place.step, self._material
        predictor = material.predictor(self._plan, self._device)
        figures = tuple(predictor.figures(each, self._scorer, self._check) for each in material.dev)
        score = mean_main(material.task, figures) if figures else None
        best = self._place.best
        better = best is None or score is None or best.score is None or score > best.score
        if better and (figures or step == self._steps):
            write_folder(self._folder.best(step), material.encoder, material.head, material.record(self._plan))
            best = Best(step, score, figures)
        stale = 0 if better else self._place.stale + 1
        patience = self._plan.optimisation.patience
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
            **provenance(self._plan, self._material.encoder.digest),
            "device": self._device if self._device == "cpu" else torch.cuda.get_device_name(self._device),
            "threads": str(torch.get_num_threads()),
            "torch": torch.__version__,
            "python": platform.python_version(),
        }
