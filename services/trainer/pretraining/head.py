"""A masked-language-model head whose tensors are trained, built for each batch as the server builds it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from torch import Tensor, nn

from services.models.families.base import initial_std, tied
from services.models.families.heads import HeadLayout
from services.models.files.checkpoint import Checkpoint
from services.models.files.heads import Headless, HeadTensors, read_head
from services.models.layers.heads import LanguageHeads
from services.models.layers.linear import differentiable
from services.models.reinit import Draw
from services.models.spec import ComputeType
from services.models.weights import Slot
from services.trainer.evaluation.forward import TYPES
from services.trainer.training.encoder import TrainableEncoder


@dataclass(frozen=True, eq=False)
class TrainableHead:
    """The head of a model.

    Attributes:
        layout: Names and sizes.
        parameters: Its tensors by their names in the checkpoint, without an output layer that is the word table.
        hidden_size: d.
        fresh: Why its weights are drawn; empty where they come from the checkpoint.
    """

    layout: HeadLayout
    parameters: dict[str, nn.Parameter]
    hidden_size: int
    fresh: str = ""

    @classmethod
    def load(cls, encoder: TrainableEncoder, seed: int, device: str) -> "TrainableHead":
        """The head of the encoder's checkpoint, or a fresh one where it has none.

        Args:
            encoder: The encoder, as it was loaded.
            seed: Seed of a fresh head.
            device: Device of the model.
        """
        layout, size = encoder.family.head(encoder.config), encoder.sizes.hidden_size
        words = tuple(word.detach() for word in encoder.words)
        shares, fresh = tied(encoder.config), ""
        with Checkpoint(encoder.folder.weights, encoder.family, "the model", device, tied=shares) as checkpoint:
            recorder = _Recorder(checkpoint)
            try:
                head = read_head(recorder, layout, words, size, tied=shares)
                tensors = recorder.tensors
                for place, each in enumerate(layout.single()):
                    if head.of(place).output.tied:
                        tensors.pop(f"{each.output}.weight", None)
            except Headless as reason:
                tensors, fresh = _drawn(encoder, layout, seed, device), str(reason)
        return cls(layout, {name: nn.Parameter(tensor) for name, tensor in tensors.items()}, size, fresh)

    def build(self, words: Sequence[Tensor], dtype: ComputeType) -> LanguageHeads:
        """The head for one batch, through which gradients flow to its parameters and to the word tables [V, e]."""
        with differentiable():
            head = self._read(self.parameters, words)
            head.prepare(TYPES[dtype])
        return head

    def inference(self, words: Sequence[Tensor], dtype: ComputeType) -> LanguageHeads:
        """The head with its present weights as the server would have it."""
        present = {name: each.detach() for name, each in self.parameters.items()}
        head = self._read(present, [word.detach() for word in words])
        head.prepare(TYPES[dtype])
        return head

    def _read(self, tensors: Mapping[str, Tensor], words: Sequence[Tensor]) -> LanguageHeads:
        shares = f"{self.layout.single()[0].output}.weight" not in tensors
        return read_head(_Given(tensors), self.layout, words, self.hidden_size, tied=shares)


@dataclass(frozen=True, eq=False)
class _Recorder:
    """Tensors of a checkpoint, kept when they are asked for."""

    checkpoint: HeadTensors
    tensors: dict[str, Tensor] = field(default_factory=dict)

    def shape(self, name: str) -> tuple[int, ...] | None:
        return self.checkpoint.shape(name)

    def has_any(self, beginning: str) -> bool:
        return self.checkpoint.has_any(beginning)

    def numbers(self, name: str) -> Tensor:
        self.tensors[name] = self.checkpoint.numbers(name)
        return self.tensors[name]


@dataclass(frozen=True, eq=False)
class _Given:
    """Tensors at hand."""

    tensors: Mapping[str, Tensor]

    def shape(self, name: str) -> tuple[int, ...] | None:
        return tuple(self.tensors[name].shape) if name in self.tensors else None

    def has_any(self, beginning: str) -> bool:
        return any(name.startswith(beginning) for name in self.tensors)

    def numbers(self, name: str) -> Tensor:
        return self.tensors[name]


def _drawn(encoder: TrainableEncoder, layout: HeadLayout, seed: int, device: str) -> dict[str, Tensor]:
    """A fresh head by the model's own rule: matrices normal, norms 1 and 0, biases 0."""
    draw = Draw(seed, encoder.sizes.layers + 2, "model", device)
    return {slot.name: draw.tensor(slot) for each in layout.single() for slot in _slots(encoder, each)}


def _slots(encoder: TrainableEncoder, layout: HeadLayout) -> list[Slot]:
    """The tensors of one head."""
    size, vocabulary, std = encoder.sizes.hidden_size, encoder.sizes.vocabulary_size, initial_std(encoder.config)
    slots = [Slot(f"{layout.dense}.weight", (layout.width, size), "matrix", std=std, inputs=size)]
    if layout.dense_bias:
        slots.append(Slot(f"{layout.dense}.bias", (layout.width,), "bias", inputs=size))
    slots.append(Slot(f"{layout.norm}.weight", (layout.width,), "scale"))
    if layout.norm_bias:
        slots.append(Slot(f"{layout.norm}.bias", (layout.width,), "offset"))
    if not tied(encoder.config):
        slots.append(Slot(f"{layout.output}.weight", (vocabulary, layout.width), "matrix", std=std, inputs=size))
    if layout.biases:
        slots.append(Slot(layout.biases[-1], (vocabulary,), "bias", inputs=size))
    return slots
