"""Translating systems by choice; a back end is one module and one line here."""

import threading
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from services.datagen.translation.base import Translator
from services.datagen.translation.choice import BACKENDS, Choice
from services.datagen.translation.conversions import Conversions
from services.datagen.translation.dictionary import DictionaryTranslator, Lookup
from services.datagen.translation.model_files import ModelFolders
from services.datagen.translation.neural import NeuralTranslator
from services.datagen.translation.settings import TranslationSettings
from services.runtime.errors import InvalidArgument
from services.runtime.files.store import Store
from services.runtime.text.lexicon import Dictionary

OpenRemote = Callable[[TranslationSettings, Choice], Translator]
"""From the settings and a choice to a system of another server; InvalidArgument where it is not allowed."""


class Translators:
    """Opens systems and keeps the last few: a model is loaded once, not for each request.

    Args:
        settings: Allowed systems, and the device of models.
        cache: Folder that keeps converted models.
        remote: Opens a system of another server; this module speaks to none itself.
        store: Keeps converted models for other servers, too.
    """

    def __init__(
        self, settings: TranslationSettings, cache: Path, remote: OpenRemote, store: Store | None = None
    ) -> None:
        self._remote = remote
        self._settings, self._conversions = settings, Conversions(cache, store)
        self._folders = ModelFolders(settings.translation_roots, hub=settings.translation_hub)
        self._held: OrderedDict[Choice, Translator] = OrderedDict()
        self._lock = threading.Lock()

    def open(self, choice: Choice, dictionaries: "DictionaryLookup") -> Translator:
        """The system of a choice.

        Args:
            choice: Choice of the system.
            dictionaries: Finds a dictionary by name and languages.

        Raises:
            InvalidArgument: The choice names none, or a server that is not allowed.
            NotFound: There is no such model.
            FailedPrecondition: A package is not installed, or the model cannot be used.
        """
        if choice.backend not in BACKENDS:
            problem = f"Expected one of {', '.join(BACKENDS)}, but got {choice.backend!r}"
            raise InvalidArgument("options[backend]", problem)
        if not choice.reference:
            needed = {"dictionary": "dictionary", "remote": "address"}.get(choice.backend, "model")
            raise InvalidArgument(
                f"options[{needed}]", f"Expected `{needed}` for back end {choice.backend}, but got none"
            )
        if choice.backend == "dictionary":
            # Not held: what a name means may differ between requests, and reading one is quick.
            return DictionaryTranslator(_lookup(dictionaries, choice.reference), choice.name)
        with self._lock:
            if choice in self._held:
                self._held.move_to_end(choice)
                return self._held[choice]
            self._held[choice] = made = self._make(choice)
            while len(self._held) > self._settings.translation_models:
                self._held.popitem(last=False)
        return made

    def _make(self, choice: Choice) -> Translator:
        if choice.backend == "remote":
            return self._remote(self._settings, choice)
        folder, device = self._folders.find(choice.reference), self._settings.translation_device
        if choice.backend == "ctranslate":
            from services.datagen.translation.ctranslate import CTranslateEngine

            fast = CTranslateEngine(folder, self._conversions, device, self._settings.translation_threads)
            return NeuralTranslator(fast, choice.name, beam=choice.beam, batch_tokens=choice.batch_tokens)
        from services.datagen.translation.transformers import TransformersEngine

        engine = TransformersEngine(folder, device)
        return NeuralTranslator(engine, choice.name, beam=choice.beam, batch_tokens=choice.batch_tokens)


class DictionaryLookup(Protocol):
    """What finds dictionaries."""

    def dictionary(self, reference: str, source: str, target: str) -> Dictionary:
        """A dictionary by name; NotFound where there is none."""


def _lookup(dictionaries: DictionaryLookup, reference: str) -> Lookup:
    return lambda source, target: dictionaries.dictionary(reference, source, target)
