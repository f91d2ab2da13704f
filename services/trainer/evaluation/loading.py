"""A model from its name to what a task's head reads: packed where it can be, else by transformers' own modules."""

from collections.abc import Callable
from dataclasses import dataclass

from services.models.catalogue import LoadedModel, ModelFiles, is_packed, load_model
from services.models.general.languages import Languages
from services.models.general_model import load_general
from services.models.spec import ComputeType, ModelInfo, ModelSpec
from services.models.tokens.tokenization import Tokenizer
from services.trainer.evaluation.forward import TYPES, Forward, PackedForward
from services.trainer.evaluation.padded import PaddedForward


@dataclass(frozen=True, eq=False)
class TaskEncoder:
    """A model in memory.

    Attributes:
        info: What is known of it.
        tokenizer: Its tokenizer.
        languages: The languages that it must be told; None where it needs none.
        forward: Makes its forward by the arithmetic.
    """

    info: ModelInfo
    tokenizer: Tokenizer
    languages: Languages | None
    forward: Callable[[ComputeType], Forward]


def load_encoder(files: ModelFiles, spec: ModelSpec, device: str = "cpu") -> TaskEncoder:
    """Load a model.

    Args:
        files: Files of the models that may be loaded.
        spec: Specification of the weights.
        device: `cpu`, `cuda:0`.

    Raises:
        ServiceError: As `load_model` and `load_general`.
    """
    folder = files.find(spec.name, spec.revision)
    if is_packed(folder, f"model {spec.name}"):
        return packed_encoder(load_model(files, spec, device=device, cached=True))
    model = load_general(files, folder, spec, device, headed=False)
    found = model.encoder
    return TaskEncoder(
        model.info, model.tokenizer, found.base.languages, lambda dtype: PaddedForward(found.base, found.taps, dtype)
    )


def packed_encoder(model: LoadedModel) -> TaskEncoder:
    """A packed model."""

    def forward(dtype: ComputeType) -> PackedForward:
        model.encoder.prepare(TYPES[dtype])
        return PackedForward(model.encoder, model.positions, dtype)

    return TaskEncoder(model.info, model.tokenizer, model.languages, forward)
