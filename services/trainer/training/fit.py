"""Fine-tuning: a task's loss, the development scores, and the folder of the model with its head."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path

from babelscope.data.examples import Example
from torch import Tensor

from services.models.catalogue import ModelFiles
from services.trainer.alignment.aligned import Alignment
from services.trainer.alignment.edits import LanguageInterventions
from services.trainer.data.order import Order, Step
from services.trainer.data.pieces import Ints, Piece
from services.trainer.evaluation.figures import Scorer, SetFigures
from services.trainer.evaluation.prediction import mean_main
from services.trainer.evaluation.ready import ReadyModel
from services.trainer.parallel.team import SOLO, Team
from services.trainer.training.checks import check, fingerprint
from services.trainer.training.events import Event
from services.trainer.training.folder import write_folder
from services.trainer.training.material import Material
from services.trainer.training.objective import Work
from services.trainer.training.plan import FineTunePlan, Trained
from services.trainer.training.provenance import provenance
from services.trainer.training.run import CHECKPOINT_SECONDS, Run, arithmetic


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
    team: Team = SOLO,
) -> Trained:
    """Fine-tune a model, going on from what stands in `workdir`.

    A run that died at any moment and is called again with the same arguments ends with the weights and figures of an
    undisturbed one, bit for bit on the same device with the same number of threads and workers. A run that is over is
    not repeated. Each of several workers makes this call; the first one alone uses `workdir`, `report` and `stop`.
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
        team: The workers of the run, as many as the plan says.

    Raises:
        InvalidArgument: Something in the plan is wrong, or does not fit the model.
        NotFound: No such model.
        FailedPrecondition: The model cannot be trained, a set has nothing to train or to score on, or `workdir` is that
            of another run.
        LossNotFinite: Loss or gradient is no finite number.
        Stopped: `stop` said so; the state is on disk.
        PeerLost: Another worker is gone.
    """
    check(plan)
    with arithmetic(plan.optimisation.seed, plan.threads, device):
        material = Material.gather(plan, files, examples, report, device)
        run = Run(
            FineTuning(plan, material, scorer, device, team),
            workdir=workdir,
            report=report,
            stop=stop,
            device=device,
            checkpoint_seconds=checkpoint_seconds,
            team=team,
        )
        trained, encoder = run.finish(), material.encoder
        present = None
        if trained.step == trained.steps and team.rank == 0:
            present = ReadyModel(material.predictor(plan, device), material.cutting)
            for parameter in (*encoder.trained.values(), *material.head.parameters()):
                parameter.grad = None
        return replace(
            trained,
            base=encoder.base,
            present=present,
            lower=material.lower,
            family=encoder.folder.family,
            sizes=encoder.sizes,
        )


class FineTuning:
    """The objective of fine-tuning: the loss of a task's head on the last hidden state.

    Args:
        plan: Plan of the run.
        material: Model, task, head and sets.
        scorer: Computes the figures of the development sets.
        device: Device of the model.
        team: The workers of the run.
    """

    def __init__(self, plan: FineTunePlan, material: Material, scorer: Scorer, device: str, team: Team = SOLO) -> None:
        self._plan, self._material, self._scorer, self._device = plan, material, scorer, device
        how = self.optimisation = plan.optimisation
        lengths = tuple(len(piece.text) for piece in material.pieces)
        self._budget = max(1, how.step_tokens // how.accumulation)
        self.order = Order(lengths, self._budget, how.accumulation, how.seed)
        self.encoder_parameters = material.encoder.trained
        self.head_parameters = dict(material.head.named_parameters())
        if material.transform is not None:
            self.head_parameters |= {f"transform.{name}": each for name, each in material.transform.named_parameters()}
        self.fingerprint = fingerprint(plan, material.encoder.digest, material.pieces, material.unlabelled)
        self.warnings = material.warnings
        self.provenance = provenance(plan, material.encoder.digest, material.encoder.engine)
        self._interventions = LanguageInterventions(plan.edits, device)
        self._alignment: Alignment | None = None
        if plan.adversary is not None and material.transform is not None:
            self._alignment = Alignment(
                plan.adversary,
                material.transform,
                material.unlabelled,
                self._interventions,
                budget=self._budget,
                seed=how.seed,
                device=device,
                team=team,
            )

    def work(self, number: int, batches: Step, own: Step) -> Work:
        """The pieces of a step, with as many tokens of target languages where a layer is aligned."""
        self._material.head.train(True)
        pieces, batching = self._material.pieces, self._material.encoder.batching
        whole = [[pieces[place] for place in members] for members in batches]
        figures: dict[str, float] = {}
        if self._alignment is not None:
            first = (number - 1) * self.optimisation.accumulation
            losses = [
                partial(
                    self._aligned_loss, self._alignment, pieces=each, own=part, number=first + place, figures=figures
                )
                for place, (each, part) in enumerate(zip(whole, own, strict=True))
            ]
        else:
            chosen = [[each[place] for place in part] for each, part in zip(whole, own, strict=True)]
            losses = [
                partial(self._loss, some) for each in chosen if each for some in batching.portions(each, self._budget)
            ]
        return Work(
            targets=sum(piece.count for each in whole for piece in each),
            tokens=sum(len(piece.text) for each in whole for piece in each),
            losses=losses,
            figures=figures,
        )

    def _loss(self, pieces: list[Piece]) -> Tensor:
        """Sum of a batch's terms."""
        material = self._material
        forward = material.encoder.training(self.optimisation.dtype)
        batch = forward.batching.collate(pieces, self._device)
        hidden_TD = forward(batch, self._interventions.of(batch), lower=material.lower)
        return material.head.loss(hidden_TD, batch)

    def _aligned_loss(
        self, alignment: Alignment, *, pieces: list[Piece], own: Ints, number: int, figures: dict[str, float]
    ) -> Tensor:
        """Sum of a batch's terms with the alignment of the batch beside each."""
        forward = self._material.encoder.training(self.optimisation.dtype)
        head = self._material.head.loss
        return alignment.loss(forward, forward.batching, head, pieces=pieces, own=own, number=number, figures=figures)

    def state(self) -> Mapping[str, Tensor]:
        """Weights and moments of the discriminator."""
        return {} if self._alignment is None else self._alignment.state()

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Sets them."""
        if self._alignment is not None:
            self._alignment.restore(state)

    def figures(self, check: Callable[[], None]) -> tuple[SetFigures, ...]:
        """Figures of the development sets."""
        predictor = self._material.predictor(self._plan, self._device)
        return tuple(predictor.figures(each, self._scorer, check) for each in self._material.dev)

    def score(self, figures: tuple[SetFigures, ...]) -> float | None:
        """Mean of the task's main figure, in per cent."""
        return mean_main(self._material.task, figures) if figures else None

    def write(self, target: Path) -> None:
        """Write the model with its head beside it."""
        material = self._material
        write_folder(target, material.encoder, material.head, material.record(self._plan), material.edits(self._plan))
