"""A model to be fine-tuned, packed where it can be, and through transformers' own modules otherwise."""

from dataclasses import replace
from typing import Protocol

from torch import Tensor, nn

from services.models.catalogue import ModelFiles, is_packed
from services.models.families import Dimensions
from services.models.files.folders import ModelFolder
from services.models.general.languages import Languages
from services.models.spec import ComputeType, EngineName, ModelSpec
from services.models.tokens.tokenization import Tokenizer
from services.trainer.data.batches import Batching
from services.trainer.evaluation.forward import Forward
from services.trainer.evaluation.lower import Lower
from services.trainer.training.encoder import TrainableEncoder
from services.trainer.training.module import TrainableModule
from services.trainer.training.plan import Frozen


class Trainable(Protocol):
    """A model whose tensors are trained, and what a task asks of it."""

    @property
    def engine(self) -> EngineName:
        """What computes it."""

    @property
    def folder(self) -> ModelFolder:
        """Folder that it was read from."""

    @property
    def sizes(self) -> Dimensions:
        """Its sizes."""

    @property
    def tokenizer(self) -> Tokenizer:
        """Its tokenizer."""

    @property
    def languages(self) -> Languages | None:
        """The languages that it must be told; None where it needs none."""

    @property
    def digest(self) -> str:
        """Digest of the weights before training, re-initialised layers included."""

    @property
    def base(self) -> str:
        """Digest of the files that it was read from, which determine its tokens and its shape."""

    @property
    def batching(self) -> Batching:
        """How pieces become its batches."""

    @property
    def trained(self) -> dict[str, nn.Parameter]:
        """The parameters that want a gradient, by name."""

    def freeze(self, frozen: Frozen) -> None:
        """Take parts out of the training, those that one language has of its own in any case.

        Raises:
            InvalidArgument: More layers than the model has, or a pattern that no tensor matches.
        """

    def lower(self) -> Lower | None:
        """Embeddings and first blocks, all frozen, by their weights; None where what they give cannot be kept."""

    def training(self, dtype: ComputeType) -> Forward:
        """The forward of one batch, with dropout, through which gradients flow to the parameters."""

    def serving(self, dtype: ComputeType) -> Forward:
        """The forward with the present weights, without dropout."""

    def stored(self) -> dict[str, Tensor]:
        """All tensors of its files, by their names there, with the present weights; others are as they were."""


def load_trainable(files: ModelFiles, spec: ModelSpec, device: str = "cpu", *, rate: float | None = None) -> Trainable:
    """Read a model and draw anew the layers that `spec` says.

    Args:
        files: Files of the models that may be loaded.
        spec: Specification of the weights.
        device: `cpu`, `cuda:0`.
        rate: Dropout of all places where the model has it; its own rates where None.

    Raises:
        InvalidArgument: A bad name, or layers that the model does not have.
        NotFound: No such model.
        FailedPrecondition: It cannot be served, and so not trained, with the reason.
    """
    folder = files.find(spec.name, spec.revision)
    if is_packed(folder, f"model {spec.name}"):
        return replace(TrainableEncoder.open(folder, spec, device), rate=rate)
    return TrainableModule.open(folder, spec, device, rate=rate)
