"""Resources for tests of translation: dictionaries in memory, real translating systems."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from services.datagen.api.remote import open_remote
from services.datagen.translation.base import Translator
from services.datagen.translation.choice import Choice
from services.datagen.translation.registry import Translators
from services.datagen.translation.settings import TranslationSettings
from tests.support.datagen_corpora import Memory


@dataclass
class Systems(Memory):
    """Dictionaries by `NAME-TARGET`, and systems as settings allow."""

    pairs: Mapping[str, Iterable[tuple[str, ...]]] = field(default_factory=dict)
    settings: dict[str, Any] = field(default_factory=dict)
    cache: Path = Path("unused")

    def __post_init__(self) -> None:
        self._translators = Translators(TranslationSettings(**self.settings), self.cache, open_remote)

    def translator(self, choice: Choice) -> Translator:
        return self._translators.open(choice, self)
