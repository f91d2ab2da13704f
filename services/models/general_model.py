"""A model of the general path from its name: weights, tokenizer, languages."""

from dataclasses import dataclass

from services.models import catalogue
from services.models.catalogue import ModelFiles
from services.models.families import FAMILIES
from services.models.files.digests import folder_digest, reinit_digest, tokens_digest
from services.models.files.folders import ModelFolder
from services.models.general import modules, reinit
from services.models.general.heads import GeneralHead
from services.models.general.loading import Base, load_base, twin, word_table
from services.models.general.taps import Taps
from services.models.reinit import check, check_shared
from services.models.spec import ModelInfo, ModelSpec
from services.models.tokens.tokenization import Tokenizer
from services.runtime.errors import FailedPrecondition


@dataclass(frozen=True, eq=False)
class GeneralEncoder:
    """An encoder with hooks, re-initialised layers included.

    Attributes:
        base: The model that it is a variant of, or the model itself.
        taps: Its modules, hooked.
        head: Its masked-language-model head; None where there is none.
    """

    base: Base
    taps: Taps
    head: GeneralHead | None = None


@dataclass(frozen=True, eq=False)
class GeneralModel:
    """A model in memory.

    Attributes:
        info: What clients are told of it.
        tokenizer: Its tokenizer.
        encoder: Its weights.
    """

    info: ModelInfo
    tokenizer: Tokenizer
    encoder: GeneralEncoder


def load_general(
    files: ModelFiles, folder: ModelFolder, spec: ModelSpec, device: str, *, headed: bool = True
) -> GeneralModel:
    """Load a model that is no packed family.

    Variants with re-initialised layers share all other tensors with their base model while any of them lives.

    Args:
        files: Files of the models, which keep what is shared.
        folder: Folder that `files.find` gave.
        spec: Specification of the weights.
        device: `cpu`, `cuda:0`.
        headed: Whether its masked-language-model head is wanted.

    Raises:
        Stopped: Nobody waits for it any more.
        InvalidArgument: Layers that the model does not have, or that share a block with others.
        FailedPrecondition: It cannot be served, with the reason.
    """
    subject = f"model {spec.name}"
    config = modules.configuration(folder, subject)
    tokenizer = Tokenizer.load(folder.path, subject)
    digest = folder_digest(folder.files)
    # A model may be in memory packed as well.
    base = files.shared(
        (digest, f"general {device}" + ("" if headed else " headless")),
        lambda: load_base(folder, config, tokenizer, subject, device, headed=headed),
    )
    check_fits(base, spec, tokenizer)
    # The digest is that of the packed model, and so are the numbers.
    packed = FAMILIES[folder.family] if catalogue.is_packed(folder, subject) else None
    module = reinit.reinitialised(base, spec.reinit, subject, packed=packed) if spec.reinit else twin(base.module)
    info = ModelInfo(
        name=spec.name,
        revision=spec.revision,
        family=folder.family,
        layers=base.structure.layers,
        hidden_size=base.structure.hidden_size,
        heads=base.heads,
        vocabulary_size=base.vocabulary_size,
        max_tokens=base.max_tokens,
        parameters=base.parameters,
        digest=reinit_digest(tokens_digest(digest, tokenizer.difference), spec.reinit),
        predicts_tokens=base.head is not None,
        headless=base.headless,
        engine="general",
        languages=() if base.languages is None else base.languages.names,
    )
    head = None if base.head is None else base.head.head(word_table(module))
    return GeneralModel(info, tokenizer, GeneralEncoder(base, Taps(module, base.structure.sites), head))


def check_fits(base: Base, spec: ModelSpec, tokenizer: Tokenizer) -> None:
    """Refuse layers to draw that a model does not have, and a model that has no room for a text.

    Raises:
        InvalidArgument: It has no such layers, or they share a block with others.
        FailedPrecondition: Special tokens fill its longest input.
    """
    check(spec.reinit, base.structure.layers, spec.name)
    check_shared(spec.reinit, base.structure.parts[1:], spec.name)
    if base.max_tokens <= tokenizer.special_count:
        raise FailedPrecondition(
            f"model {spec.name}",
            f"Expected `max_position_embeddings` in config.json to leave room beside {tokenizer.special_count} special "
            f"tokens, but it leaves {base.max_tokens} tokens",
        )
