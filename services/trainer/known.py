"""What is known of a model without reading its weights, by which jobs are refused before they are queued."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar

from services.models.catalogue import configuration, is_packed
from services.models.families import FAMILIES
from services.models.families.base import Family, sharing
from services.models.files.folders import ModelFolder
from services.models.general import modules
from services.models.general.languages import Languages, languages_of, separate_languages
from services.models.spec import EngineName
from services.models.tokens.tokenization import Tokenizer


@dataclass(frozen=True)
class KnownModel(ABC):
    """A model that can be fine-tuned.

    Attributes:
        folder: Its folder.
        subject: What errors call it.
        engine: What computes it.
    """

    folder: ModelFolder
    subject: str
    engine: ClassVar[EngineName]

    @cached_property
    def tokenizer(self) -> Tokenizer:
        """Its tokenizer."""
        return Tokenizer.load(self.folder.path, self.subject)

    @property
    @abstractmethod
    def layers(self) -> int | None:
        """Its number of blocks; None where its configuration does not say."""

    @property
    @abstractmethod
    def lowest(self) -> Sequence[int] | None:
        """For each layer, from 1, the first one that shares its block; None where only a run would tell."""

    @property
    @abstractmethod
    def languages(self) -> Languages | None:
        """The languages that it must be told; None where it needs none."""

    @property
    @abstractmethod
    def max_tokens(self) -> int:
        """Its longest input in tokens."""


def known_model(folder: ModelFolder, subject: str) -> KnownModel:
    """What is known of the model of a folder.

    Args:
        folder: Its folder.
        subject: What errors call it.

    Raises:
        FailedPrecondition: Its configuration does not load.
    """
    kind = PackedModel if is_packed(folder, subject) else GeneralModel
    return kind(folder, subject)


class PackedModel(KnownModel):
    """A model of the packed families."""

    engine = "packed"

    @property
    def layers(self) -> int:
        """As `KnownModel.layers`."""
        return len(self.lowest)

    @cached_property
    def lowest(self) -> Sequence[int]:
        """As `KnownModel.lowest`."""
        return sharing(self._family, self._config)

    @cached_property
    def languages(self) -> Languages | None:
        """As `KnownModel.languages`."""
        return separate_languages(self._family.languages(self._config))

    @cached_property
    def max_tokens(self) -> int:
        """As `KnownModel.max_tokens`."""
        return self._family.dimensions(self._config).max_tokens

    @property
    def _family(self) -> Family:
        return FAMILIES[self.folder.family]

    @cached_property
    def _config(self) -> Any:
        return configuration(self.folder, self.subject)


class GeneralModel(KnownModel):
    """A model that transformers' own modules compute."""

    engine = "general"

    @cached_property
    def layers(self) -> int | None:
        """As `KnownModel.layers`."""
        # transformers' name for it, by which it knows those of all families; a model that has blocks of another number
        # than it says is found out by its job.
        number = getattr(self._config, "num_hidden_layers", None)
        return number if type(number) is int and number > 0 else None

    @property
    def lowest(self) -> None:
        """As `KnownModel.lowest`."""
        return None

    @cached_property
    def languages(self) -> Languages | None:
        """As `KnownModel.languages`."""
        return languages_of(self._config, self.tokenizer.backend)

    @cached_property
    def max_tokens(self) -> int:
        """As `KnownModel.max_tokens`."""
        return modules.longest_input(self._config, modules.outline(self._config, self.subject), self.tokenizer.limit)

    @cached_property
    def _config(self) -> Any:
        return modules.configuration(self.folder, self.subject)
