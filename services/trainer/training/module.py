"""A trainable encoder that transformers' own module runs, with hooks at its hidden states, on padded batches.

The parameters are those of the module itself, under its names for them. Two sets of modules share them: one that drops
numbers, as transformers does in training, and one that does not. Dropout draws from torch's generators, which a run
keeps with its state.
"""

from dataclasses import dataclass, field, replace
from typing import ClassVar

import torch
from torch import Tensor, nn

from services.models.families import Dimensions
from services.models.files.digests import folder_digest, reinit_digest, tokens_digest
from services.models.files.folders import ModelFolder
from services.models.general import modules, reinit
from services.models.general.languages import Languages
from services.models.general.loading import Base, load_base, twin, word_table
from services.models.general.stored import StoredRows
from services.models.general.taps import Taps
from services.models.general.training import prove_training, reached, with_dropout
from services.models.general_model import check_fits
from services.models.spec import ComputeType, EngineName, ModelSpec
from services.models.tokens.tokenization import Tokenizer
from services.trainer.data.batches import Padding
from services.trainer.evaluation.lower import Lower
from services.trainer.evaluation.padded import PaddedForward
from services.trainer.training.checks import check_frozen_layers
from services.trainer.training.encoder import frozen_names
from services.trainer.training.plan import Frozen

_ADAPTERS = ".adapter_modules."
"""What X-MOD has of each language."""


@dataclass(frozen=True, eq=False)
class TrainableModule:
    """A model whose tensors are trained.

    Attributes:
        folder: Folder that the model was read from.
        model: The model, re-initialised layers included; its module has no hooks.
        sizes: Its sizes.
        tokenizer: Its tokenizer.
        digest: Digest of the weights before training, re-initialised layers included.
        base: Digest of the files that it was read from, which determine its tokens and its shape.
        parameters: Tensors of its blocks, and others on which its last hidden state depends, by their names in the
            module; frozen ones want no gradient.
        layers: Layer of each: 0 for the embeddings, 1..L for the blocks, L + 1 for the final norm.
        rows: Where they stand in the files.
    """

    engine: ClassVar[EngineName] = "general"

    folder: ModelFolder
    model: Base
    sizes: Dimensions
    tokenizer: Tokenizer
    digest: str
    base: str
    parameters: dict[str, nn.Parameter]
    layers: dict[str, int]
    rows: StoredRows
    _taps: dict[bool, Taps] = field(default_factory=dict, repr=False)

    @classmethod
    def open(
        cls, folder: ModelFolder, spec: ModelSpec, device: str = "cpu", *, rate: float | None = None
    ) -> "TrainableModule":
        """Read a folder that passed inspection, and draw anew the layers that `spec` says; see `load_trainable`."""
        subject = f"model {spec.name}"
        config = with_dropout(modules.configuration(folder, subject), rate)
        tokenizer = Tokenizer.load(folder.path, subject)
        # transformers draws what a file lacks, a pooler, from the process's generator, which is the run's.
        with torch.random.fork_rng(devices=[]):
            # No other job may have its tensors, which are trained.
            model = load_base(folder, config, tokenizer, subject, device, headed=False)
            check_fits(model, spec, tokenizer)
            prove_training(model, subject)
            layers = _layers(model)
            named = dict(model.module.named_parameters())
            [word] = [name for name, each in named.items() if each is word_table(model.module)]
            before = {name: named[name] for name in layers}
            rows = StoredRows.find(folder, config, before, word, subject)
            if spec.reinit:
                model = replace(model, module=reinit.reinitialised(model, spec.reinit, subject))
        named = dict(model.module.named_parameters())
        for name, parameter in named.items():
            parameter.requires_grad_(name in layers)
        structure = model.structure
        base = tokens_digest(folder_digest(folder.files), tokenizer.difference)
        return cls(
            folder=folder,
            model=model,
            sizes=Dimensions(
                layers=structure.layers,
                hidden_size=structure.hidden_size,
                heads=model.heads,
                vocabulary_size=model.vocabulary_size,
                max_tokens=model.max_tokens,
            ),
            tokenizer=tokenizer,
            digest=reinit_digest(base, spec.reinit),
            base=base,
            parameters={name: named[name] for name in layers},
            layers=layers,
            rows=rows,
        )

    @property
    def languages(self) -> Languages | None:
        """The languages that it must be told; None where it needs none."""
        return self.model.languages

    @property
    def batching(self) -> Padding:
        """How pieces become its batches."""
        return Padding(self.model.padded)

    @property
    def trained(self) -> dict[str, nn.Parameter]:
        """The parameters that want a gradient."""
        return {name: parameter for name, parameter in self.parameters.items() if parameter.requires_grad}

    def freeze(self, frozen: Frozen) -> None:
        """Take parts out of the training, the adapters of single languages in any case (Pfeiffer et al. 2022).

        Raises:
            InvalidArgument: More layers than the model has, or a pattern that no tensor matches.
        """
        parts = self.model.structure.parts[1:]
        check_frozen_layers(frozen, [parts.index(part) + 1 for part in parts])
        own = [name for name in self.layers if _ADAPTERS in name]
        for name in (*frozen_names(frozen, self.layers), *own):
            self.parameters[name].requires_grad_(False)

    def lower(self) -> Lower | None:
        """None: a module cannot be entered in the middle, so that all layers are computed anyhow."""
        return None

    def training(self, dtype: ComputeType) -> PaddedForward:
        """The forward with dropout, through which gradients flow to the parameters."""
        return self._forward(dtype, training=True)

    def serving(self, dtype: ComputeType) -> PaddedForward:
        """The forward with the present weights, without dropout."""
        return self._forward(dtype, training=False)

    def _forward(self, dtype: ComputeType, *, training: bool) -> PaddedForward:
        if training not in self._taps:
            own = twin(self.model.module).train(training)
            self._taps[training] = Taps(own, self.model.structure.sites)
        return PaddedForward(self.model, self._taps[training], dtype)

    def stored(self) -> dict[str, Tensor]:
        """All tensors of its files, by their names there, with the present weights; others are as they were."""
        return self.rows.written(self.parameters)


def _layers(model: Base) -> dict[str, int]:
    """Layer of each tensor that is trained or may be: all of blocks, and others that the last hidden state depends on.

    What a block has for some texts alone (adapters, experts) is trained by these.
    """
    depends, parts = reached(model), model.structure.parts
    found: dict[str, int] = {name: 0 for name in parts[0] if name in depends}
    for layer, part in enumerate(parts[1:], start=1):
        for name in part:
            found.setdefault(name, layer)
    for name in sorted(depends):
        found.setdefault(name, model.structure.layers + 1)
    return found
