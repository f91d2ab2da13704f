"""A fine-tuned model on disk: a Hugging Face folder with the task's head beside it, and what is done with it.

config.json, model.safetensors, tokenizer files    an ordinary model, which the encoder serves
head.safetensors                                   weights of the head
interventions.safetensors                          arrays of the interventions that belong to it, where there are any
task.json                                          task, options, labels, longest input, arithmetic, interventions,
                                                   provenance
"""

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from babelscope.data.examples import Example
from safetensors import SafetensorError
from safetensors.torch import load_file

from services.models.catalogue import LoadedModel, ModelFiles, load_model
from services.models.layers import interventions
from services.models.spec import ComputeType, ModelSpec
from services.runtime.errors import FailedPrecondition
from services.trainer.alignment.edits import LanguageEdit
from services.trainer.data.limits import check_max_tokens
from services.trainer.evaluation.forward import TYPES
from services.trainer.evaluation.grafting import graft
from services.trainer.evaluation.loading import TaskEncoder, load_encoder, packed_encoder
from services.trainer.evaluation.own_edits import Described, read_edits
from services.trainer.evaluation.prediction import Predictor
from services.trainer.evaluation.ready import ReadyModel
from services.trainer.evaluation.sets import known_as
from services.trainer.tasks import make_task
from services.trainer.tasks.base import Cutting, Labels

HEAD_FILE = "head.safetensors"
TASK_FILE = "task.json"
FORMAT = 1


@dataclass(frozen=True)
class TaskRecord:
    """What `task.json` says.

    Attributes:
        task: Name of the task.
        options: Options of the task.
        labels: Labels of the head by kind, in order.
        max_tokens: Longest input in training.
        dtype: Arithmetic in training.
        training: How it was trained, by name: model and its digest, layers drawn anew, frozen parts, sources, seed.
        interventions: Layer, language, positions and arrays of the interventions that belong to the model.
    """

    task: str
    options: Mapping[str, str]
    labels: Labels
    max_tokens: int
    dtype: ComputeType
    training: Mapping[str, str] = field(default_factory=dict)
    interventions: Described = ()

    def to_json(self) -> str:
        """The file's text."""
        return json.dumps({"format": FORMAT, **asdict(self)}, ensure_ascii=False, indent=2, sort_keys=True)

    @classmethod
    def read(cls, folder: Path) -> "TaskRecord":
        """The record of a folder.

        Raises:
            FailedPrecondition: The folder has none, or one of another format.
        """
        subject = f"checkpoint {folder.name}"
        try:
            said: dict[str, Any] = json.loads((folder / TASK_FILE).read_text("utf-8"))
            found = said.pop("format")
            if found != FORMAT:
                raise FailedPrecondition(subject, f"Expected {TASK_FILE} of format {FORMAT}, but got {found!r}")
            said["labels"] = {kind: tuple(labels) for kind, labels in said["labels"].items()}
            said["interventions"] = tuple(said.get("interventions", ()))
            record = cls(**said)
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise FailedPrecondition(subject, f"Expected a fine-tuned model with {TASK_FILE}, but {error}") from error
        if record.dtype not in TYPES:
            raise FailedPrecondition(
                subject, f"Expected an arithmetic among {', '.join(TYPES)}, but got {record.dtype}"
            )
        return record


@dataclass(frozen=True, eq=False)
class FineTunedModel:
    """A fine-tuned model in memory.

    Attributes:
        record: Its task.
        model: Its encoder and tokenizer.
        predictor: The encoder with the head.
        max_tokens: Longest input in tokens.
        own: Interventions that belong to the model, which come before any others.
        base: Digest of the files of the model that it was trained from, which determine its tokens; empty where they
            are not known.
    """

    record: TaskRecord
    model: TaskEncoder
    predictor: Predictor
    max_tokens: int
    own: tuple[LanguageEdit, ...] = ()
    base: str = ""

    def with_edits(self, edits: tuple[LanguageEdit, ...]) -> "FineTunedModel":
        """The model with these interventions behind its own."""
        return replace(self, predictor=replace(self.predictor, edits=self.own + edits))

    @property
    def ready(self) -> ReadyModel:
        """The model as it reads and scores sets."""
        known = known_as(self.base, self.record.options)
        cutting = Cutting(self.model.tokenizer, self.max_tokens, self.record.labels, self.model.languages, known)
        return ReadyModel(self.predictor, cutting)

    def predict(self, examples: Iterable[Example], check: Callable[[], None] = lambda: None) -> list[Example]:
        """Examples with the model's answers in place of the gold ones, in order; gold answers are not looked at.

        Args:
            examples: At least one example.
            check: Called between batches; raises to stop.
        """
        return self.predictor.predict(self.ready.prepare(examples), check)


def load_fine_tuned(
    folder: Path,
    *,
    edits: tuple[LanguageEdit, ...] = (),
    max_tokens: int = 0,
    device: str = "cpu",
    lower: tuple[LoadedModel, int] | None = None,
) -> FineTunedModel:
    """Load a fine-tuned model.

    Args:
        folder: The checkpoint.
        edits: Interventions on the hidden states besides those that belong to the model.
        max_tokens: Longest input in tokens; that of training where 0.
        device: `cpu`, `cuda:0`.
        lower: A model that takes the place of the embeddings and of the layers up to the given one; None for none.

    Raises:
        InvalidArgument: An intervention, the limit or the lower part does not fit the model.
        FailedPrecondition: The folder holds no fine-tuned model, or a damaged one.
    """
    record = TaskRecord.read(folder)
    subject = f"checkpoint {folder.name}"
    files, spec = ModelFiles(aliases={"checkpoint": folder}), ModelSpec("checkpoint")
    if lower is None:
        model = load_encoder(files, spec, device)
    else:
        model = packed_encoder(graft(load_model(files, spec, device=device), *lower))
    own = read_edits(folder, record.interventions, subject)
    for place, each in enumerate(edits):
        info = model.info
        # A map below the task layers was computed with the model that is there.
        below = lower is not None and each.edit.layer <= lower[1]
        digest = lower[0].info.digest if lower is not None and below else info.digest
        interventions.check(each.edit, f"edits[{place}]", info.layers, info.hidden_size, subject, digest=digest)
    if max_tokens:
        check_max_tokens(max_tokens, model.tokenizer, model.info.max_tokens, subject)
    task = make_task(record.task, record.options)
    head = task.head(record.labels, model.info.hidden_size, 0)
    try:
        head.load_state_dict(load_file(folder / HEAD_FILE))
    except (OSError, SafetensorError, RuntimeError) as error:
        raise FailedPrecondition(subject, f"its head does not load: {error}") from error
    head.to(torch.device(device))
    predictor = Predictor(
        forward=model.forward(record.dtype),
        task=task,
        labels=record.labels,
        head=head,
        edits=own + edits,
        device=device,
    )
    longest = max_tokens or min(record.max_tokens, model.info.max_tokens)
    return FineTunedModel(record, model, predictor, longest, own)
