"""Names of models to verified folders on this machine, and folders to weights in memory."""

import threading
import weakref
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final, TypeVar

from services.models import reinit as random_init
from services.models.allowed import Allowed
from services.models.checkpoints import StoredCheckpoints
from services.models.families import FAMILIES, Family
from services.models.families.base import sharing, tied
from services.models.families.own import OWN, read_configuration
from services.models.files.checkpoint import Checkpoint
from services.models.files.digests import folder_digest, reinit_digest, tokens_digest
from services.models.files.folders import (
    ModelFolder,
    check_name,
    check_revision,
    family_of,
    files_stamp,
    folders_below,
    inspect,
    read_config,
)
from services.models.files.heads import Headless, head_numbers, read_head
from services.models.files.hub import Hub
from services.models.general import modules
from services.models.general.languages import Languages, separate_languages
from services.models.layers.blocks import Block
from services.models.layers.packing import PositionRule
from services.models.spec import ModelInfo, ModelSpec
from services.models.tokens.tokenization import Tokenizer
from services.models.weights import Encoder
from services.runtime.errors import FailedPrecondition, InvalidArgument, NotFound
from services.runtime.suggestions import closest

FLOAT_BYTES: Final = 4
"""Bytes of a weight in memory: all are float32 there."""
Shared = TypeVar("Shared")
"""Weights of a model as one of the engines keeps them."""


@dataclass(frozen=True)
class ModelSummary:
    """One model that a server can name.

    Attributes:
        name: The name by which requests call it.
        family: The Hugging Face model type; empty where there is none.
        reason: Why it is refused; empty where it can be served.
    """

    name: str
    family: str
    reason: str


@dataclass(frozen=True)
class ModelSize:
    """How large a model is.

    Attributes:
        max_tokens: Longest input in tokens.
        bytes: Bytes of the weights in memory.
    """

    max_tokens: int
    bytes: int


@dataclass(frozen=True)
class LoadedModel:
    """A model in memory.

    Attributes:
        info: What clients are told of it.
        tokenizer: The model's own fast tokenizer.
        encoder: Its weights, re-initialised layers included.
        positions: How its tokens are numbered.
        languages: The languages that it must be told; None where it needs none.
    """

    info: ModelInfo
    tokenizer: Tokenizer
    encoder: Encoder
    positions: PositionRule
    languages: Languages | None = None


class ModelFiles:
    """Where models may come from.

    Args:
        roots: Folders whose sub-folders are models; names are relative to them.
        aliases: Names to folders anywhere.
        hub: Whether other names are looked up at the hub, or in its cache.
        cache_dir: The hub's cache; None for its default.
        checkpoints: Checkpoints of the trainer; None where there is no store.
        allowed: Patterns of the models that are served; all where None.
    """

    def __init__(
        self,
        roots: Sequence[Path] = (),
        aliases: Mapping[str, Path] | None = None,
        hub: bool = False,
        cache_dir: Path | None = None,
        *,
        checkpoints: StoredCheckpoints | None = None,
        allowed: Allowed | None = None,
    ) -> None:
        self._allowed = allowed or Allowed()
        self._roots = [Path(root) for root in roots]
        self._aliases = {name: Path(path) for name, path in (aliases or {}).items()}
        self._hub = Hub(cache_dir) if hub else None
        self._checkpoints = checkpoints
        self._loaded: weakref.WeakValueDictionary[tuple[str, str], Any] = weakref.WeakValueDictionary()
        self._lock = threading.Lock()

    def resolve(self, name: str, revision: str = "") -> Path:
        """The verified local folder of a model.

        Raises:
            InvalidArgument: A name that leaves the roots, no revision, or a revision of a local folder.
            NotFound: No such model, with names nearby.
            FailedPrecondition: A model that cannot be served, with the reason.
        """
        return self.find(name, revision).path

    def is_local(self, name: str) -> bool:
        """Whether a name is found on this machine or in the store, so that the hub is not asked.

        Raises:
            InvalidArgument: A name that leaves the roots.
        """
        check_name(name, self._aliases)
        return self._hub is None or self._stored(name) is not None or self._local(name) is not None

    def find(self, name: str, revision: str = "", *, cached: bool = False) -> ModelFolder:
        """As `resolve`, with what was found in the folder.

        Args:
            name: Name of the model.
            revision: Revision on the hub.
            cached: Whether `resolve` has just found it, so that the hub is not asked again.
        """
        check_name(name, self._aliases)
        check_revision(revision)
        self._allowed.check(name)
        subject = f"model {name}"
        stored = self._stored(name)
        local = self._local(name) if stored is None else (stored.fetch(name), None)
        if local is not None:
            if revision:
                raise InvalidArgument(
                    "spec.model.revision", f"Expected none, as {subject} is a local folder, but got {revision!r}"
                )
            return inspect(local[0], subject, local[1])
        if self._hub is None or name.count("/") > 1:
            raise NotFound("model", name, self._nearby(name))
        self._allowed.check(name, hub=self._hub.address)
        try:
            if not cached:
                family_of(read_config(self._hub.config(name, revision), subject), subject)
            return inspect(self._hub.model(name, revision, cached=cached), subject, None)
        except NotFound as error:
            raise NotFound("model", name, self._nearby(name), error.note) from error

    def stamp(self, name: str, revision: str = "") -> Hashable:
        """Changes whenever a local model's files do, or a checkpoint is deleted; the hub's files never change here."""
        if (stored := self._stored(name)) is not None:
            return stored.exists(name)
        return None if (local := self._local(name)) is None else files_stamp(local[0])

    def _stored(self, name: str) -> StoredCheckpoints | None:
        """The store's checkpoints, where a name is of one of them."""
        return self._checkpoints if name.startswith(StoredCheckpoints.PREFIX) and name not in self._aliases else None

    def _local(self, name: str) -> tuple[Path, Path | None] | None:
        """The folder of a name, and the root that it must not leave; None where there is none."""
        if name in self._aliases:
            return self._aliases[name], None
        for root in self._roots:
            if (root / name).is_dir():
                return root / name, root
        return None

    def list(self) -> Sequence[ModelSummary]:
        """All models under the roots and aliases, by name; those refused with their reason."""
        found: dict[str, ModelSummary] = {}
        for name, folder, root in self._named():
            if name not in found:
                refused = self._allowed.problem(name)
                found[name] = ModelSummary(name, "", refused) if refused else _summary(name, folder, root)
        return sorted(found.values(), key=lambda summary: summary.name)

    def _named(self) -> Sequence[tuple[str, Path, Path | None]]:
        """Names, their folders and their roots; what comes first has precedence."""
        aliased = [(name, path, None) for name, path in self._aliases.items()]
        return [*aliased, *((name, folder, root) for root in self._roots for name, folder in folders_below(root))]

    def _nearby(self, name: str) -> Sequence[str]:
        """Names that look alike."""
        return closest(name, sorted({known for known, _, _ in self._named()}), n=3, cutoff=0.4)

    def longest_input(self, name: str) -> int:
        """A model's longest input in tokens, without reading its weights.

        Raises:
            ServiceError: As for `measure`.
        """
        return self.measure(name).max_tokens

    def weight_bytes(self, name: str, revision: str = "") -> int:
        """Bytes that a model's weights take in memory, in float32, from the headers of its files alone.

        Args:
            name: Name of a model that `resolve` has just found.
            revision: Revision of the hub.

        Raises:
            ServiceError: As for `measure`.
        """
        return self.measure(name, revision, cached=True).bytes

    def measure(self, name: str, revision: str = "", *, cached: bool = False) -> ModelSize:
        """How large a model is, without reading its weights.

        Raises:
            ServiceError: As `find`, or its configuration does not load or does not fit its weights' shapes.
        """
        folder, subject = self.find(name, revision, cached=cached), f"model {name}"
        if not is_packed(folder, subject):
            general = modules.configuration(folder, subject)
            outline = modules.outline(general, subject)
            limit = modules.longest_input(general, outline, Tokenizer.load(folder.path, subject).limit)
            return ModelSize(limit, modules.most_numbers(general, outline, subject) * FLOAT_BYTES)
        config, family = configuration(folder, subject), packed_family(folder, subject)
        sizes = family.dimensions(config)
        with Checkpoint(folder.weights, family, subject, "cpu", tied=tied(config)) as checkpoint:
            _build(checkpoint, family, config, sizes.layers)
            checkpoint.finish(sizes.layers)
            numbers = checkpoint.expected + head_numbers(checkpoint, family.head(config), tied=tied(config))
            return ModelSize(sizes.max_tokens, numbers * FLOAT_BYTES)

    def base(self, folder: ModelFolder, config: Any, subject: str, device: str) -> tuple[Encoder, str]:
        """A folder's weights, shared by all engines that live, and their digest."""
        digest = folder_digest(folder.files)
        return self.shared((digest, device), lambda: _read(folder, config, subject, device)), digest

    def shared(self, key: tuple[str, str], load: Callable[[], Shared]) -> Shared:
        """What is kept of a model while any engine uses it; loaded where nobody does.

        Args:
            key: Digest of the files, and device with what keeps them there.
            load: Reads the weights.
        """
        with self._lock:
            found: Shared | None = self._loaded.get(key)
            if found is None:
                found = self._loaded[key] = load()
        return found


def load_model(files: ModelFiles, spec: ModelSpec, *, device: str = "cpu", cached: bool = False) -> LoadedModel:
    """Load a model's weights and its tokenizer.

    Variants with re-initialised layers share all other tensors with their base model while any of them lives.

    Args:
        files: Files of the models that may be loaded.
        spec: Specification of the weights.
        device: `cpu`, `cuda`, `cuda:0`.
        cached: Whether `files.resolve` has just found it.

    Raises:
        Stopped: Nobody waits for it any more.
        InvalidArgument: A bad name, or layers that the model does not have.
        NotFound: No such model.
        FailedPrecondition: It cannot be served, with the reason.
    """
    folder = files.find(spec.name, spec.revision, cached=cached)
    subject = f"model {spec.name}"
    config = configuration(folder, subject)
    family = packed_family(folder, subject)
    sizes = family.dimensions(config)
    random_init.check(spec.reinit, sizes.layers, spec.name)
    random_init.check_shared(spec.reinit, sharing(family, config), spec.name)
    languages = separate_languages(family.languages(config))
    tokenizer = Tokenizer.load(folder.path, subject, family.languages(config))
    if sizes.max_tokens <= tokenizer.special_count:
        raise FailedPrecondition(
            subject,
            f"Expected `max_position_embeddings` in config.json to leave room beside {tokenizer.special_count} special "
            f"tokens, but it leaves {sizes.max_tokens} tokens",
        )
    encoder, digest = files.base(folder, config, subject, device)
    info = ModelInfo(
        name=spec.name,
        revision=spec.revision,
        family=folder.family,
        layers=sizes.layers,
        hidden_size=sizes.hidden_size,
        heads=sizes.heads,
        vocabulary_size=sizes.vocabulary_size,
        max_tokens=sizes.max_tokens,
        parameters=encoder.parameters,
        digest=reinit_digest(tokens_digest(digest, tokenizer.difference), spec.reinit),
        predicts_tokens=encoder.head is not None,
        headless=encoder.headless,
        languages=() if languages is None else languages.names,
    )
    if spec.reinit:
        encoder = random_init.reinitialised(encoder, family, config, spec.reinit, device)
    return LoadedModel(info, tokenizer, encoder, family.position_rule(config), languages)


def packed_family(folder: ModelFolder, subject: str) -> Family:
    """The packed family of a folder.

    Raises:
        FailedPrecondition: It has none: transformers' own modules run it.
    """
    if folder.family not in FAMILIES:
        raise FailedPrecondition(
            subject,
            f"its family is {folder.family!r}, run by transformers' own modules: it is served and fine-tuned, but not "
            f"pretrained, extended or joined with another; families that are: {', '.join(sorted(FAMILIES))}",
        )
    return FAMILIES[folder.family]


def is_packed(folder: ModelFolder, subject: str) -> bool:
    """Whether a model runs in blocks of our own, rather than in transformers' modules.

    Raises:
        FailedPrecondition: Its configuration does not load.
    """
    family = FAMILIES.get(folder.family)
    return family is not None and not (family.general and family.refusal(modules.configuration(folder, subject)))


def configuration(folder: ModelFolder, subject: str) -> Any:
    """Transformers' configuration object, which knows the defaults and the old names of settings.

    Raises:
        FailedPrecondition: It does not load, or describes no model of a packed family.
    """
    family = packed_family(folder, subject)
    raw = read_config(folder.path, subject) if folder.family in OWN else None
    config = modules.configuration(folder, subject) if raw is None else read_configuration(raw, subject)
    reason = family.refusal(config)
    if reason:
        raise FailedPrecondition(subject, reason)
    return config


def _read(folder: ModelFolder, config: Any, subject: str, device: str) -> Encoder:
    """All weights of a folder."""
    family = packed_family(folder, subject)
    sizes = family.dimensions(config)
    with Checkpoint(folder.weights, family, subject, device, tied=tied(config)) as checkpoint:
        # Shapes first: sizes that do not fit the checkpoint are named before any memory is taken for them.
        _build(checkpoint, family, config, sizes.layers)
        checkpoint.finish(sizes.layers)
        encoder = _build(checkpoint, family, config, sizes.layers)
        try:
            head = read_head(
                checkpoint, family.head(config), encoder.embeddings.words, sizes.hidden_size, tied=tied(config)
            )
        except Headless as reason:
            return replace(encoder, headless=str(reason))
        return replace(encoder, head=head)


def _build(checkpoint: Checkpoint, family: Family, config: Any, layers: int) -> Encoder:
    """All parts of an encoder, from whatever the checkpoint gives."""
    embeddings = family.embeddings(checkpoint, config)
    blocks: list[Block] = []
    for layer in range(1, layers + 1):
        lowest = family.lowest(config, layer)
        blocks.append(family.block(checkpoint, config, layer) if lowest == layer else blocks[lowest - 1])
    final_norm = family.final_norm(checkpoint, config)
    return Encoder(embeddings, tuple(blocks), final_norm, checkpoint.parameters)


def _summary(name: str, folder: Path, root: Path | None) -> ModelSummary:
    """What a listing says of a folder."""
    family = ""
    try:
        family = str(read_config(folder, f"model {name}").get("model_type") or "")
        inspect(folder, f"model {name}", root)
    except FailedPrecondition as error:
        return ModelSummary(name, family, error.reason)
    except InvalidArgument as error:
        return ModelSummary(name, family, error.problem)
    return ModelSummary(name, family, "")
