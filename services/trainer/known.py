"""What is known of a model without reading its weights, by which jobs are refused before they are queued."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from services.models.catalogue import configuration, is_packed
from services.models.families import FAMILIES
from services.models.families.base import sharing
from services.models.files.folders import ModelFolder
from services.models.general import modules
from services.models.general.languages import Languages, languages_of, separate_languages
from services.models.spec import EngineName
from services.models.tokens.tokenization import Tokenizer


@dataclass(frozen=True)
class KnownModel:
    """A model that can be fine-tuned.

    Attributes:
        folder: Its folder.
        subject: What errors call it.
    """

    folder: ModelFolder
    subject: str

    @cached_property
    def engine(self) -> EngineName:
        """What computes it."""
        return "packed" if is_packed(self.folder, self.subject) else "general"

    @cached_property
    def tokenizer(self) -> Tokenizer:
        """Its tokenizer."""
        return Tokenizer.load(self.folder.path, self.subject)

    @cached_property
    def lowest(self) -> Sequence[int] | None:
        """For each layer, from 1, the first one that shares its block; None where only a run would tell."""
        return sharing(FAMILIES[self.folder.family], self._config) if self.engine == "packed" else None

    @cached_property
    def languages(self) -> Languages | None:
        """The languages that it must be told; None where it needs none."""
        if self.engine == "packed":
            return separate_languages(FAMILIES[self.folder.family].languages(self._config))
        return languages_of(self._config, self.tokenizer.backend)

    @cached_property
    def max_tokens(self) -> int:
        """Its longest input in tokens."""
        if self.engine == "packed":
            return FAMILIES[self.folder.family].dimensions(self._config).max_tokens
        return modules.longest_input(self._config, modules.outline(self._config, self.subject), self.tokenizer.limit)

    @cached_property
    def _config(self) -> Any:
        """Its configuration."""
        read = configuration if self.engine == "packed" else modules.configuration
        return read(self.folder, self.subject)
