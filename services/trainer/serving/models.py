"""Fine-tuned models in memory, for predictions: the one unused for longest makes room."""

import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Final

from babelscope.data.examples import Example

from services.models.layers import interventions
from services.runtime.errors import InvalidArgument
from services.runtime.files.folders import fetch_folder
from services.runtime.files.store import Store
from services.trainer.alignment.edits import LanguageEdit
from services.trainer.data.limits import check_max_tokens
from services.trainer.evaluation.checkpoint import FineTunedModel, load_fine_tuned

PORTION: Final = 256
"""Examples that are predicted together: enough to be packed by length, few enough to answer soon."""


class FineTunedModels:
    """Models that have been asked for.

    Args:
        store: Store that holds checkpoints.
        cache: Folder of their local copies.
        device: Device of the computation.
        most: Models held at once.
    """

    def __init__(self, store: Store, cache: Path, *, device: str, most: int) -> None:
        self._store, self._cache, self._device, self._most = store, cache, device, most
        self._held: OrderedDict[str, FineTunedModel] = OrderedDict()
        self._lock = threading.Lock()

    def predict(
        self,
        name: str,
        edits: tuple[LanguageEdit, ...],
        max_tokens: int,
        examples: Iterable[Example],
        check: Callable[[], None],
    ) -> Iterator[list[Example]]:
        """Examples with the model's answers in place of the gold ones, in order and in portions.

        Args:
            name: `checkpoints/ID`.
            edits: Interventions on the hidden states, besides those that belong to the model.
            max_tokens: Longest input in tokens; that of training where 0.
            examples: Read lazily.
            check: Called between batches; raises to stop.

        Raises:
            NotFound: There is no such checkpoint.
            InvalidArgument: An example is of another kind than the task takes, or an intervention does not fit.
            FailedPrecondition: The checkpoint is no fine-tuned model, or a damaged one.
        """
        model = self.fitted(name, edits, max_tokens)
        source = iter(examples)
        while portion := list(islice(source, PORTION)):
            yield model.predict(portion, check)

    def fitted(self, name: str, edits: tuple[LanguageEdit, ...], max_tokens: int) -> FineTunedModel:
        """A model with the interventions and the limit of one request.

        Raises:
            ServiceError: As `predict`.
        """
        return self._fitted(self._get(name), name, edits, max_tokens)

    def _get(self, name: str) -> FineTunedModel:
        """A model, loaded once however many ask."""
        with self._lock:
            if name not in self._held:
                folder = fetch_folder(self._store, name, self._cache)
                self._held[name] = load_fine_tuned(folder, device=self._device)
                while len(self._held) > self._most:
                    self._held.popitem(last=False)
            self._held.move_to_end(name)
            return self._held[name]

    def _fitted(
        self, model: FineTunedModel, name: str, edits: tuple[LanguageEdit, ...], max_tokens: int
    ) -> FineTunedModel:
        """The model with the interventions and the limit of one request."""
        info = model.model.info
        for place, each in enumerate(edits):
            field = f"spec.interventions[{place}]"
            interventions.check(each.edit, field, info.layers, info.hidden_size, name, digest=info.digest)
        if max_tokens:
            try:
                check_max_tokens(max_tokens, model.model.tokenizer, info.max_tokens, name)
            except InvalidArgument as error:
                raise InvalidArgument(f"spec.{error.field}", error.problem) from error
        return replace(model.with_edits(edits), max_tokens=max_tokens or model.max_tokens)
