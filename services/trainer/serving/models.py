"""Fine-tuned models in memory, for predictions: the one unused for longest makes room."""

import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from itertools import islice
from pathlib import Path

from babelscope.data.examples import Example

from services.models.layers import interventions
from services.runtime.errors import InvalidArgument
from services.runtime.files.folders import fetch_folder
from services.runtime.files.store import Store
from services.trainer.data.limits import check_max_tokens
from services.trainer.evaluation.checkpoint import FineTunedModel, load_fine_tuned
from services.trainer.serving.predictions import PORTION, AskedModel, Predictions


class FineTunedModels(Predictions):
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
        self, asked: AskedModel, examples: Iterable[Example], check: Callable[[], None]
    ) -> Iterator[list[Example]]:
        """As `Predictions.predict` says, in this process."""
        model = self.fitted(asked)
        source = iter(examples)
        while portion := list(islice(source, PORTION)):
            yield model.predict(portion, check)

    def fitted(self, asked: AskedModel) -> FineTunedModel:
        """A model with the interventions and the limit of one request.

        Raises:
            ServiceError: As `predict`.
        """
        model, name = self._get(asked.checkpoint), asked.checkpoint
        info = model.model.info
        for place, each in enumerate(asked.edits):
            field = f"spec.interventions[{place}]"
            interventions.check(each.edit, field, info.layers, info.hidden_size, name, digest=info.digest)
        if asked.max_tokens:
            try:
                check_max_tokens(asked.max_tokens, model.model.tokenizer, info.max_tokens, name)
            except InvalidArgument as error:
                raise InvalidArgument(f"spec.{error.field}", error.problem) from error
        return replace(model.with_edits(asked.edits), max_tokens=asked.max_tokens or model.max_tokens)

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
