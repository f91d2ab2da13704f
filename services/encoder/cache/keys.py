"""What determines the rows of a text: the key under which they are kept.

Layers are no part of it, so that a request finds its layers in whatever rows were kept. Neither is the element type of
the answer: rows are kept in float32 and rounded on their way out.
"""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from services.models.spec import EncodePlan, ModelInfo

ARITHMETIC: Final = 1
"""Raised with every change after which a model's rows differ by more than rounding."""

Units = Sequence[int] | Sequence[tuple[int, int]]


@dataclass(frozen=True, slots=True)
class Keys:
    """The keys of one text.

    Attributes:
        whole: Key of the rows of the whole text, which no limit changes that the text is within.
        cut: Key of the rows of the text cut to the limit of the request.
    """

    whole: bytes
    cut: bytes

    def of(self, truncated: bool) -> bytes:
        """The key of rows that were computed."""
        return self.cut if truncated else self.whole


class KeyMaker:
    """Makes the keys of the texts of one request.

    Args:
        info: Model, whose digest covers configuration, tokenizer and weights with their re-initialisation.
        device: Device of the model; processors and GPUs round differently.
        plan: What is computed; edits that change no bit are left out.
        limit: Longest input in tokens.
    """

    def __init__(self, info: ModelInfo, device: str, plan: EncodePlan, limit: int) -> None:
        edits = [edit.digest for edit in plan.edits if not edit.is_identity]
        kind = device.partition(":")[0]
        recipe = [ARITHMETIC, info.digest, info.engine, kind, plan.dtype, plan.pooling.value, edits]
        self._recipe = hashlib.sha256(json.dumps(recipe).encode("ascii")).digest()
        self._told = bool(info.languages)
        self._limit = limit.to_bytes(8, "little")

    def keys(self, string: str, units: Units = (), language: str = "") -> Keys:
        """The keys of a text.

        Args:
            string: Text as it goes to the tokenizer.
            units: Words, spans or positions that get rows, where the pooling is by them.
            language: Language of the text; ignored where the model is not told it.
        """
        head = json.dumps([list(units), language if self._told else ""]).encode("ascii")
        digest = hashlib.sha256(self._recipe)
        digest.update(len(head).to_bytes(8, "little"))
        digest.update(head)
        digest.update(string.encode("utf-8", "surrogatepass"))
        whole = digest.digest()
        return Keys(whole, hashlib.sha256(whole + self._limit).digest())
