"""What a run works with: model, task, head and sets, all checked against one another before the first step."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import torch
from babelscope.data.examples import Example

from services.models.catalogue import ModelFiles
from services.models.layers import interventions
from services.runtime.errors import FailedPrecondition
from services.trainer.alignment.adversary import Transform, check_layer
from services.trainer.alignment.edits import LanguageEdit
from services.trainer.alignment.unlabelled import unlabelled_pieces
from services.trainer.data.limits import check_max_tokens
from services.trainer.data.pieces import Piece
from services.trainer.evaluation.checkpoint import TaskRecord
from services.trainer.evaluation.lower import Lower
from services.trainer.evaluation.own_edits import describe_edits
from services.trainer.evaluation.prediction import Predictor
from services.trainer.evaluation.sets import PreparedSet, check_scored, known_as, of_dataset, prepare, read
from services.trainer.kept import KEPT
from services.trainer.tasks import Task, make_task
from services.trainer.tasks.base import Cutting, Head, Labels
from services.trainer.training.events import Event, Prepared
from services.trainer.training.plan import FineTunePlan
from services.trainer.training.provenance import provenance
from services.trainer.training.trainable import Trainable, load_trainable


@dataclass(frozen=True, eq=False)
class Material:
    """Model, task, head and sets.

    Attributes:
        encoder: The encoder, frozen where the plan says so.
        task: The task.
        labels: Labels of the training sets.
        head: The head with fresh weights.
        max_tokens: Longest input.
        pieces: Pieces of all training sets that have targets.
        dev: Development sets.
        warnings: Warnings, in sentences.
        unlabelled: Pieces of the target languages; none without an adversary.
        transform: Layer that is aligned by an adversary; None without one.
        cutting: How sets are cut.
        lower: Layers that are not trained, where their hidden states are kept from one job to the next; None otherwise.
    """

    encoder: Trainable
    task: Task
    labels: Labels
    head: Head
    max_tokens: int
    pieces: tuple[Piece, ...]
    dev: tuple[PreparedSet, ...]
    warnings: tuple[str, ...]
    cutting: Cutting
    unlabelled: tuple[Piece, ...] = ()
    transform: Transform | None = None
    lower: Lower | None = None

    @classmethod
    def gather(
        cls,
        plan: FineTunePlan,
        files: ModelFiles,
        examples: Callable[[str], Iterable[Example]],
        report: Callable[[Event], None],
        device: str,
    ) -> "Material":
        """Load the model, read and cut the sets.

        Args:
            plan: The plan, checked.
            files: Files of the models that may be loaded.
            examples: Datasets by name.
            report: Is told of each set.
            device: Device of the model.

        Raises:
            InvalidArgument: Something in the plan does not fit the model or the task.
            NotFound: No such model.
            FailedPrecondition: The model cannot be trained, or a set has nothing to train or to score on.
        """
        task = make_task(plan.task, plan.options)
        encoder = load_trainable(files, plan.model, device, rate=plan.optimisation.dropout)
        encoder.freeze(plan.frozen)
        for place, given in enumerate(plan.edits):
            layers, size, name = encoder.sizes.layers, encoder.sizes.hidden_size, plan.model.name
            interventions.check(given.edit, f"edits[{place}]", layers, size, name, digest=encoder.digest)
        if plan.adversary is not None:
            check_layer(plan.adversary, encoder.sizes.layers, plan.model.name)
        longest = encoder.sizes.max_tokens
        max_tokens = plan.max_tokens or longest
        check_max_tokens(max_tokens, encoder.tokenizer, longest, f"model {plan.model.name}")
        train = [(each, read(examples(each.dataset), each.dataset)) for each in plan.train]
        for source, found in train:
            with of_dataset(source.dataset):
                task.labels(found)
        labels = task.labels([example for _, found in train for example in found])
        for kind, names in labels.items():
            if not names:
                raise FailedPrecondition(
                    f"dataset {plan.train[0].dataset}",
                    f"Expected training examples with {kind} for task {task.name}, but none has one",
                )
        known = known_as(encoder.base, plan.options)
        cutting = Cutting(encoder.tokenizer, max_tokens, labels, encoder.languages, known)
        sets = [prepare(task, cutting, found, each.language, each.dataset) for each, found in train]
        dev = tuple(
            prepare(task, cutting, read(examples(each.dataset), each.dataset), each.language, each.dataset)
            for each in plan.dev
        )
        for each in sets:
            report(_prepared("train", each))
        for each in dev:
            report(_prepared("dev", each))
        for each in (*sets, *dev):
            if not each.targets:
                raise FailedPrecondition(
                    f"dataset {each.dataset}",
                    f"Expected examples with a gold answer for task {task.name} that training examples have as well, "
                    f"but none of {len(each.examples)} has one",
                )
        for each in dev:
            check_scored(task, each.examples, each.dataset)
        unlabelled: list[Piece] = []
        for target in plan.unlabelled:
            texts = read(examples(target.dataset), target.dataset)
            with of_dataset(target.dataset):
                unlabelled += unlabelled_pieces(task, cutting, texts, target.language, target.dataset)
        return cls(
            encoder=encoder,
            task=task,
            labels=labels,
            head=task.head(labels, encoder.sizes.hidden_size, plan.optimisation.seed).to(torch.device(device)),
            max_tokens=max_tokens,
            pieces=tuple(piece for each in sets for piece in each.pieces if piece.count),
            dev=dev,
            warnings=tuple(warning for each in (*sets, *dev) for warning in each.warnings),
            cutting=cutting,
            unlabelled=tuple(unlabelled),
            transform=None if plan.adversary is None else Transform(encoder.sizes.hidden_size).to(torch.device(device)),
            lower=None if plan.edits or plan.adversary is not None or not KEPT else encoder.lower(),
        )

    def edits(self, plan: FineTunePlan) -> tuple[LanguageEdit, ...]:
        """The interventions that belong to the model, its transform layer with its present weights among them."""
        if self.transform is None or plan.adversary is None:
            return plan.edits
        return (*plan.edits, self.transform.edit(plan.adversary.layer))

    def predictor(self, plan: FineTunePlan, device: str) -> Predictor:
        """The model with its present weights, for prediction."""
        return Predictor(
            forward=self.encoder.serving(plan.optimisation.dtype),
            task=self.task,
            labels=self.labels,
            head=self.head,
            edits=self.edits(plan),
            device=device,
            lower=self.lower,
        )

    def record(self, plan: FineTunePlan) -> TaskRecord:
        """What is said of the model beside its weights."""
        return TaskRecord(
            task=plan.task,
            options=dict(plan.options),
            labels=self.labels,
            max_tokens=self.max_tokens,
            dtype=plan.optimisation.dtype,
            training=provenance(plan, self.encoder.digest, self.encoder.engine),
            interventions=describe_edits(self.edits(plan)),
        )


def _prepared(part: str, prepared: PreparedSet) -> Prepared:
    counts = prepared.counts
    return Prepared(
        part=part,
        language=prepared.language,
        dataset=prepared.dataset,
        examples=counts.examples,
        tokens=prepared.tokens,
        targets=prepared.targets,
        split=counts.split,
        cut=counts.cut,
        lost=counts.lost,
        unknown=tuple(sorted(counts.unknown)),
    )
