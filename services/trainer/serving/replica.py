"""A replica of Ray Serve: fine-tuned models in a process of Ray, whose calls share batches by their tokens."""

import asyncio
import logging
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from services.runtime.devices import is_device_lost
from services.runtime.files.store import Store
from services.runtime.settings import load
from services.trainer.evaluation.checkpoint import FineTunedModel
from services.trainer.evaluation.prediction import CPU_TOKENS, GPU_TOKENS
from services.trainer.evaluation.sets import PreparedSet
from services.trainer.serving.joint import predict_together
from services.trainer.serving.models import FineTunedModels
from services.trainer.serving.wire import PredictCall, pack_error, pack_examples
from services.trainer.settings import TrainerSettings

log = logging.getLogger(__name__)

_BATCHES: Final = 4
"""Batches of the arithmetic that calls are gathered for: there they are packed by length."""
_WAIT_SECONDS: Final = 0.005
"""Time that a call waits for others."""


@dataclass(frozen=True, eq=False)
class _Cut:
    """A call that is cut into tokens.

    Attributes:
        key: Calls of equal keys share a model and interventions.
        model: The model with the interventions.
        prepared: The examples.
    """

    key: tuple[object, ...]
    model: FineTunedModel
    prepared: PreparedSet


class Replica:
    """Answers calls.

    Args:
        env: Settings of the trainer that a replica follows, as environment variables.
    """

    def __init__(self, env: Mapping[str, str]) -> None:
        os.environ.update(env)
        settings = load(TrainerSettings)
        self._models = FineTunedModels(
            Store(settings.store_url, settings.store_bytes),
            settings.checkpoint_dir,
            device=settings.chosen_device(),
            most=settings.max_models,
        )
        import torch
        from ray import serve

        torch.set_num_threads(settings.threads_of_a_job())
        tokens = _BATCHES * (CPU_TOKENS if settings.chosen_device() == "cpu" else GPU_TOKENS)
        batch: Any = serve.batch(
            max_batch_size=tokens,
            batch_wait_timeout_s=_WAIT_SECONDS,
            batch_size_fn=lambda cuts: sum(min(tokens, cut.prepared.tokens) for cut in cuts),
        )
        self._batched = batch(self._together)

    async def predict(self, data: bytes) -> bytes:
        """The answer to a call, or the error that its client is told of."""
        try:
            call = PredictCall.unpack(data)
            model = await asyncio.to_thread(self._models.fitted, call.asked)
            if not call.examples:  # whether the model can be asked
                return pack_examples([])
            prepared = await asyncio.to_thread(model.ready.prepare, call.examples)
            answer: bytes = await self._batched(_Cut(call.asked.key, model, prepared))
        except Exception as error:  # the answer says it: Ray would wrap it in one of its own
            if is_device_lost(error):
                # Serve starts another replica in the place of one that dies, and the call is tried again.
                log.exception("device lost")
                end()
            return pack_error(error)
        return answer

    async def _together(self, cuts: list[_Cut]) -> list[bytes]:
        return await asyncio.to_thread(_answer, cuts)


def end() -> None:
    """Ends this process at once."""
    logging.shutdown()
    os._exit(1)


def _answer(cuts: Sequence[_Cut]) -> list[bytes]:
    """The answers to several calls, those of one model together."""
    answers: dict[int, bytes] = {}
    for key in dict.fromkeys(cut.key for cut in cuts):
        places = [place for place, cut in enumerate(cuts) if cut.key == key]
        said = predict_together(cuts[places[0]].model, [cuts[place].prepared for place in places])
        answers.update((place, pack_examples(each)) for place, each in zip(places, said, strict=True))
    return [answers[place] for place in range(len(cuts))]
