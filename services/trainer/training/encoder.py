"""A trainable encoder that runs packed: tensors of a checkpoint as parameters, of which the serving code makes blocks.

The families' own `embeddings`, `block` and `final_norm` are called anew for each batch with a source that hands out the
parameters. What they do to them (stack queries, keys and values, cast to bfloat16) is part of the graph, so gradients
arrive at the very tensors that the checkpoint names, and a trained model is saved under the names that it came with.
"""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from typing import Any, ClassVar

from torch import Tensor, nn

from services.models import reinit as random_init
from services.models.catalogue import ModelFiles, configuration
from services.models.families import FAMILIES, Dimensions, Family
from services.models.families.base import sharing, tied
from services.models.families.separable import SPECIFIC
from services.models.files.checkpoint import Checkpoint
from services.models.files.digests import folder_digest, reinit_digest, tokens_digest
from services.models.files.folders import ModelFolder
from services.models.general.languages import Languages, separate_languages
from services.models.layers.blocks import Block
from services.models.layers.dropout import NO_DROPOUT, Dropout
from services.models.layers.linear import differentiable
from services.models.layers.packing import PositionRule
from services.models.spec import ComputeType, EngineName, ModelSpec
from services.models.tokens.tokenization import Tokenizer
from services.models.weights import Encoder, Slot, Source
from services.runtime.errors import InvalidArgument
from services.trainer.data.batches import Packing
from services.trainer.evaluation.forward import TYPES, PackedForward
from services.trainer.evaluation.lower import Lower
from services.trainer.kept import KEPT
from services.trainer.training.checks import check_frozen_layers
from services.trainer.training.plan import Frozen

_TOKENIZER_SIZE = 16
"""Bytes of a tokenizer in memory for each byte of its files, at most; 14 were measured."""


@dataclass(frozen=True, eq=False)
class TrainableEncoder:
    """A model whose tensors are trained.

    Attributes:
        folder: Folder that the model was read from.
        family: Its family.
        config: transformers' configuration.
        sizes: Its sizes.
        tokenizer: Its tokenizer.
        positions: How its tokens are numbered.
        digest: Digest of the weights before training, re-initialised layers included.
        parameters: All tensors by name, without the prefix of the checkpoint; frozen ones want no gradient.
        stored_names: Their names in the checkpoint.
        layers: Layer of each tensor: 0 for the embeddings, 1..L for the blocks, L + 1 for the final norm.
        languages: The languages that it must be told; None where it needs none.
        base: Digest of the files that it was read from, which determine its tokens and its shape.
        rate: Dropout of all its places in fine-tuning; its own rates where None.
    """

    engine: ClassVar[EngineName] = "packed"

    folder: ModelFolder
    family: Family
    config: Any
    sizes: Dimensions
    tokenizer: Tokenizer
    positions: PositionRule
    digest: str
    parameters: dict[str, nn.Parameter]
    stored_names: dict[str, str]
    layers: dict[str, int]
    languages: Languages | None = None
    base: str = ""
    rate: float | None = None
    _settled: dict[tuple[ComputeType, Dropout], Encoder] = field(default_factory=dict, repr=False)

    @classmethod
    def load(cls, files: ModelFiles, spec: ModelSpec, device: str = "cpu") -> "TrainableEncoder":
        """Read a model and draw anew the layers that `spec` says.

        Args:
            files: Files of the models that may be loaded.
            spec: Specification of the weights.
            device: `cpu`, `cuda:0`.

        Raises:
            InvalidArgument: A bad name, or layers that the model does not have.
            NotFound: No such model.
            FailedPrecondition: It cannot be served, and so not trained, with the reason.
        """
        return cls.open(files.find(spec.name, spec.revision), spec, device)

    @classmethod
    def open(cls, folder: ModelFolder, spec: ModelSpec, device: str = "cpu") -> "TrainableEncoder":
        """Read a folder that passed inspection, and draw anew the layers that `spec` says; see `load`."""
        subject = f"model {spec.name}"
        config, family = configuration(folder, subject), FAMILIES[folder.family]
        sizes = family.dimensions(config)
        random_init.check(spec.reinit, sizes.layers, spec.name)
        lowest = sharing(family, config)
        random_init.check_shared(spec.reinit, lowest, spec.name)
        parts = [0, *sorted(set(lowest)), sizes.layers + 1]
        slots: dict[str, Slot] = {}
        tensors: dict[str, Tensor] = {}
        layers: dict[str, int] = {}
        with Checkpoint(folder.weights, family, subject, device, tied=tied(config)) as checkpoint, differentiable():
            # Shapes first, then numbers: see `Checkpoint`.
            for layer in parts:
                _read(family, config, layer, checkpoint)
            checkpoint.finish(sizes.layers)
            for layer in parts:
                _read(family, config, layer, _Recorder(checkpoint, slots, tensors, layers, layer))
            stored_names = {name: checkpoint.stored_name(slot) for name, slot in slots.items()}
            for layer, draw in random_init.draws(spec.reinit, device):
                if layer and family.lowest(config, layer) != layer:
                    continue
                _read(family, config, layer, _Recorder(draw, slots, tensors, layers, layer))
        digest = folder_digest(folder.files)
        tokenizer = KEPT.once(
            ("tokenizer", digest),
            lambda: Tokenizer.load(folder.path, subject, family.languages(config)),
            lambda _: _TOKENIZER_SIZE * sum(path.stat().st_size for path in folder.files if path not in folder.weights),
        )
        base = tokens_digest(digest, tokenizer.difference)
        return cls(
            folder=folder,
            family=family,
            config=config,
            sizes=sizes,
            tokenizer=tokenizer,
            positions=family.position_rule(config),
            digest=reinit_digest(base, spec.reinit),
            # Fixed sinusoids are no parameters of the model.
            parameters={
                name: nn.Parameter(tensor, requires_grad=slots[name].rule != "sinusoid")
                for name, tensor in tensors.items()
            },
            stored_names=stored_names,
            layers=layers,
            languages=separate_languages(family.languages(config)),
            base=base,
        )

    def code(self, language: str, field: str) -> int | None:
        """What the model takes for a language; None where it is not told any.

        Args:
            language: Language tag.
            field: Path of the tag in the request.

        Raises:
            InvalidArgument: The model must be told a language that it has, and is not.
        """
        return None if self.languages is None else self.languages.code(language, field, "")

    @property
    def words(self) -> tuple[nn.Parameter, ...]:
        """The word table, or that of each language in order."""
        table = self.family.word_table
        return tuple(each for name, each in self.parameters.items() if name == table or name.endswith(f".{table}"))

    def freeze(self, frozen: Frozen) -> None:
        """Take parts out of the training, those that one language has of its own in any case.

        A task is learnt in some languages and is to be done in others (Conneau, Wu et al. 2020, section 4.3).

        Raises:
            InvalidArgument: More layers than the model has, or a pattern that no tensor matches.
        """
        check_frozen_layers(frozen, sharing(self.family, self.config))
        for name in frozen_names(frozen, self.layers):
            self.parameters[name].requires_grad_(False)
        for name, parameter in self.parameters.items():
            if name.startswith(SPECIFIC):
                parameter.requires_grad_(False)

    @property
    def trained(self) -> dict[str, nn.Parameter]:
        """The parameters that want a gradient."""
        return {name: parameter for name, parameter in self.parameters.items() if parameter.requires_grad}

    def lower(self) -> Lower | None:
        """Embeddings and first blocks, all frozen, by their weights; None where not even the first block is."""
        lowest = min((self.layers[name] for name in self.trained), default=self.sizes.layers + 1)
        layers = min(lowest - 1, self.sizes.layers)
        if layers < 1:
            return None
        digest = hashlib.sha256(self.base.encode())
        for name in sorted(name for name, layer in self.layers.items() if layer <= layers):
            digest.update(f"\0{name}\0".encode())
            digest.update(self.parameters[name].detach().cpu().contiguous().numpy().data)
        return Lower(layers, digest.hexdigest())

    def dropout(self, rate: float | None) -> Dropout:
        """Dropout of the model's own places: by its own rates, or all by one."""
        own = self.family.dropout(self.config)
        return own if rate is None else own.at(rate)

    @property
    def batching(self) -> Packing:
        """How pieces become its batches."""
        return Packing(self.positions)

    def training(self, dtype: ComputeType) -> PackedForward:
        """The forward of one batch, with dropout, through which gradients flow to the parameters."""
        dropout = self.dropout(self.rate)
        return PackedForward(self.build(dtype, dropout), self.positions, dtype, dropout)

    def serving(self, dtype: ComputeType) -> PackedForward:
        """The forward with the present weights, without gradients or dropout."""
        return PackedForward(self.inference(dtype), self.positions, dtype)

    def stored(self) -> dict[str, Tensor]:
        """All tensors of its files, by their names there, with the present weights; others are as they were."""
        trained = {
            self.stored_names[name]: parameter.detach().cpu().contiguous()
            for name, parameter in self.parameters.items()
        }
        with Checkpoint(self.folder.weights, self.family, "the model", "cpu") as checkpoint:
            others = {name: tensor.contiguous() for name, tensor in checkpoint.others(trained).items()}
        return others | trained

    def build(self, dtype: ComputeType, dropout: Dropout) -> Encoder:
        """The encoder for one batch, through which gradients flow to the parameters.

        Args:
            dtype: Arithmetic of the blocks.
            dropout: Places and probabilities of dropout.
        """
        settled = self._settled_layers(dtype, dropout)
        first = 0 if settled is None else len(settled.blocks) + 1
        with differentiable():
            fresh = self._assemble(range(first, self.sizes.layers + 1), dropout)
        for block in fresh.blocks:
            for linear in block.linears():
                linear.prepare(TYPES[dtype])
        if settled is None:
            return fresh
        return replace(fresh, embeddings=settled.embeddings, blocks=settled.blocks + fresh.blocks)

    def inference(self, dtype: ComputeType) -> Encoder:
        """The encoder with its present weights as the server would have it: fast, without gradients or dropout."""
        encoder = self._assemble(range(self.sizes.layers + 1), NO_DROPOUT, detached=True)
        encoder.prepare(TYPES[dtype])
        return encoder

    def _settled_layers(self, dtype: ComputeType, dropout: Dropout) -> Encoder | None:
        """Embeddings and first blocks, all frozen: they are built once, with the fastest products; None without any."""
        key = (dtype, dropout)
        if key not in self._settled:
            lowest = min((self.layers[name] for name in self.trained), default=self.sizes.layers + 1)
            if lowest == 0:
                return None
            encoder = self._assemble(range(min(lowest, self.sizes.layers + 1)), dropout, detached=True)
            encoder.prepare(TYPES[dtype])
            self._settled[key] = encoder
        return self._settled[key]

    def _assemble(self, layers: Iterable[int], dropout: Dropout, *, detached: bool = False) -> Encoder:
        """Some layers and the final norm; embeddings where 0 is among the layers or a stand-in is needed."""
        source = _Handed(self.parameters, detached)
        wanted = set(layers)
        embeddings = replace(self.family.embeddings(source, self.config), dropout=dropout.embeddings)
        made: dict[int, Block] = {}
        for layer in sorted(wanted - {0}):
            lowest = self.family.lowest(self.config, layer)
            if lowest not in made:
                made[lowest] = self.family.block(source, self.config, lowest).with_dropout(dropout)
        blocks = tuple(made[self.family.lowest(self.config, layer)] for layer in sorted(wanted - {0}))
        return Encoder(
            embeddings=embeddings,
            blocks=blocks,
            final_norm=self.family.final_norm(source, self.config),
            parameters=sum(parameter.numel() for parameter in self.parameters.values()),
        )


def frozen_names(frozen: Frozen, layers: Mapping[str, int]) -> list[str]:
    """Names of the tensors that are not to be trained.

    Args:
        frozen: What is frozen.
        layers: Layer of each tensor of the model by its name.

    Raises:
        InvalidArgument: A pattern that no tensor matches.
    """
    for place, pattern in enumerate(frozen.patterns):
        if not any(fnmatchcase(name, pattern) for name in layers):
            raise InvalidArgument(
                f"frozen.patterns[{place}]",
                f"Expected a pattern of tensor names such as {next(iter(layers))}, but none matches {pattern!r}",
            )
    return [
        name
        for name, layer in layers.items()
        if (layer == 0 and frozen.embeddings)
        or 1 <= layer <= frozen.layers
        or any(fnmatchcase(name, pattern) for pattern in frozen.patterns)
    ]


class _Recorder:
    """A source that keeps what another one gives."""

    def __init__(
        self,
        inner: Source,
        slots: dict[str, Slot],
        tensors: dict[str, Tensor],
        layers: dict[str, int],
        layer: int,
    ) -> None:
        self._inner, self._slots, self._tensors, self._layers, self._layer = inner, slots, tensors, layers, layer

    def tensor(self, slot: Slot) -> Tensor:
        """The tensor of a slot."""
        tensor = self._inner.tensor(slot)
        self._slots[slot.name], self._tensors[slot.name], self._layers[slot.name] = slot, tensor, self._layer
        return tensor


class _Handed:
    """A source that hands out parameters."""

    def __init__(self, parameters: dict[str, nn.Parameter], detached: bool) -> None:
        self._parameters, self._detached = parameters, detached

    def tensor(self, slot: Slot) -> Tensor:
        """The parameter of a slot, or its present value."""
        parameter = self._parameters[slot.name]
        return parameter.detach() if self._detached else parameter


def _read(family: Family, config: Any, layer: int, source: Source) -> None:
    """Ask a source for all tensors of a layer."""
    if layer == 0:
        family.embeddings(source, config)
    elif layer <= family.dimensions(config).layers:
        family.block(source, config, layer)
    else:
        family.final_norm(source, config)
