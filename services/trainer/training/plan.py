"""What a fine-tuning job is to do: the border between the training engine and those who ask for it.

The engine is `services.trainer.training.fit.fit`:

    fit(plan, files=..., examples=..., scorer=..., workdir=..., report=..., stop=..., device="cpu") -> Trained

It goes on from what stands in `workdir`, so a caller whose process died calls it again with the same arguments.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

from services.models.families import Dimensions
from services.models.spec import ComputeType, ModelSpec
from services.trainer.alignment.adversary import Adversary
from services.trainer.alignment.edits import LanguageEdit
from services.trainer.evaluation.figures import SetFigures
from services.trainer.evaluation.lower import Lower
from services.trainer.evaluation.ready import ReadyModel

Course = Literal["linear", "inverse_sqrt", "constant"]


@dataclass(frozen=True)
class LanguageSet:
    """A dataset with the language under which it is reported.

    Attributes:
        language: BCP 47 language tag; the examples' own language where empty.
        dataset: Name of the dataset, as the caller's `examples` takes it.
        domain: Domain of a set that is scored, for tables; empty for that of the training sets.
    """

    language: str
    dataset: str
    domain: str = ""

    @property
    def place(self) -> str:
        """The language, with the domain where the set has one: `en`, `en/literature`; empty where it has neither."""
        return "/".join(filter(None, (self.language, self.domain)))


@dataclass(frozen=True)
class Frozen:
    """Parts of a model that are not trained.

    Attributes:
        embeddings: Whether the embeddings are frozen.
        layers: Number of blocks frozen from the first on.
        patterns: Patterns of tensor names, without the prefix of the model; `*` stands for any characters.
    """

    embeddings: bool = False
    layers: int = 0
    patterns: tuple[str, ...] = ()


@dataclass(frozen=True)
class Optimisation:
    """How a model is optimised.

    Attributes:
        learning_rate: Peak learning rate of the encoder.
        head_learning_rate: Peak learning rate of the task's head; ten times the encoder's where None.
        epochs: Passes over the training examples; a fraction stops within a pass.
        max_steps: Most optimiser steps; no bound but the epochs where 0.
        step_tokens: Real tokens of an optimiser step, over all its accumulated batches.
        accumulation: Batches accumulated into a step.
        warmup: Share of the steps in which the learning rate rises from zero.
        course: Course of the learning rate after the warm-up.
        weight_decay: Weight decay of matrices; biases and norms have none.
        clip: Largest norm of the gradient; no bound where 0.
        dropout: Dropout of hidden states and attention; the model's own where None.
        dtype: Arithmetic of the encoder's linear layers and of attention; weights and gradients are float32.
        seed: Seed of the order of the data, of dropout and of the head's weights.
        evaluations: Evaluations on the development sets an epoch.
        patience: Evaluations without improvement after which training stops; no early stop where 0.
        workers: Processes that share out each step; `step_tokens` are those of all of them.
        regroup: Whether the run may go on from a state that another number of workers has left. Its numbers then
            differ from those of an undisturbed run in their last digits, and with dropout in more.
    """

    learning_rate: float = 5e-5
    head_learning_rate: float | None = None
    epochs: float = 3.0
    max_steps: int = 0
    step_tokens: int = 1024
    accumulation: int = 1
    warmup: float = 0.1
    course: Course = "linear"
    weight_decay: float = 0.01
    clip: float = 1.0
    dropout: float | None = None
    dtype: ComputeType = "float32"
    seed: int = 0
    evaluations: int = 1
    patience: int = 0
    workers: int = 1
    regroup: bool = False

    def described(self) -> dict[str, Any]:
        """The settings by name, without what says by whom they are carried out."""
        return {name: value for name, value in asdict(self).items() if name not in ("workers", "regroup")}


@dataclass(frozen=True)
class FineTunePlan:
    """A fine-tuning run.

    Attributes:
        model: Model to start from; its re-initialised layers are drawn before training.
        task: Name of the task; `services.trainer.tasks.TASKS` has all.
        train: Training sets, which are joined.
        dev: Development sets; the best checkpoint is the one of the best mean score on them, the last one where there
            are none.
        options: Options of the task by name.
        frozen: What is not trained.
        optimisation: How the model is optimised.
        max_tokens: Longest input in tokens; the model's longest where 0.
        edits: Interventions on the hidden states while training and scoring.
        threads: Threads of the arithmetic on a processor; what torch has where 0.
        adversary: How a layer is aligned by a discriminator; None for no such alignment.
        unlabelled: Texts of the target languages for it; their answers are not looked at.
    """

    model: ModelSpec
    task: str
    train: tuple[LanguageSet, ...]
    dev: tuple[LanguageSet, ...] = ()
    options: Mapping[str, str] = field(default_factory=dict)
    frozen: Frozen = Frozen()
    optimisation: Optimisation = Optimisation()
    max_tokens: int = 0
    edits: tuple[LanguageEdit, ...] = ()
    threads: int = 0
    adversary: Adversary | None = None
    unlabelled: tuple[LanguageSet, ...] = ()

    @property
    def source(self) -> str:
        """Languages of the training sets, joined by `+`."""
        return "+".join(dict.fromkeys(each.language for each in self.train if each.language))


@dataclass(frozen=True)
class Trained:
    """What a run gives.

    Attributes:
        folder: The best checkpoint: an ordinary Hugging Face folder; a fine-tuned one has the task's head beside it. It
            lies in the run's `workdir`.
        step: Step after which it was saved.
        steps: Steps that were run.
        score: The objective's score on the development sets: of a task the mean of its main figure in per cent, of
            pretraining the mean log-likelihood of a masked token; None where there are none.
        figures: Figures of the development sets at that step.
        warnings: Warnings, in sentences.
        provenance: Digests, versions, seed, device and threads by name.
        base: Digest of the files of the model that a task was trained on; empty otherwise.
        lower: Layers that were not trained, where their hidden states are kept from one job to the next.
        present: The fine-tuned model, where the best one is that after the last step: it need not be read again.
        family: Family of a fine-tuned model; empty otherwise.
        sizes: Sizes of a fine-tuned model; None otherwise.
    """

    folder: Path
    step: int
    steps: int
    score: float | None
    figures: tuple[SetFigures, ...]
    warnings: tuple[str, ...]
    provenance: Mapping[str, str]
    base: str = ""
    lower: Lower | None = None
    present: ReadyModel | None = None
    family: str = ""
    sizes: Dimensions | None = None
