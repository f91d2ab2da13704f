"""Predictions on their way to another process: a request, its answer or its error, as bytes without pickles.

A request is the length of its JSON, the JSON, and a safetensors file with the arrays of its interventions; an answer is
JSON: examples, or the error that the client is told of.
"""

import json
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from babelscope.data.examples import Example
from pydantic import TypeAdapter
from safetensors.numpy import load, save

from services.runtime.errors import (
    DataLoss,
    FailedPrecondition,
    InvalidArgument,
    LimitExceeded,
    NotFound,
    ServiceError,
    Unavailable,
)
from services.trainer.evaluation.own_edits import describe_edits, edit_arrays, make_edits
from services.trainer.serving.predictions import AskedModel

_LENGTH: Final = struct.Struct("<Q")
_EXAMPLES: Final = TypeAdapter(tuple[Example, ...])
_ERRORS: Final[dict[str, tuple[type[ServiceError], tuple[str, ...]]]] = {
    "InvalidArgument": (InvalidArgument, ("field", "problem")),
    "NotFound": (NotFound, ("kind", "name", "nearby", "note")),
    "FailedPrecondition": (FailedPrecondition, ("subject", "reason")),
    "LimitExceeded": (LimitExceeded, ("subject", "problem", "retry_after")),
}
"""Errors whose fields a client is told, with the arguments that make them."""


@dataclass(frozen=True, eq=False)
class PredictCall:
    """A portion of a request for predictions.

    Attributes:
        asked: The model.
        examples: Examples to be answered.
    """

    asked: AskedModel
    examples: tuple[Example, ...]

    def pack(self) -> bytes:
        """The call as bytes."""
        said = {
            "checkpoint": self.asked.checkpoint,
            "max_tokens": self.asked.max_tokens,
            "edits": describe_edits(self.asked.edits),
            "examples": _EXAMPLES.dump_python(self.examples, mode="json"),
        }
        head = json.dumps(said, ensure_ascii=False).encode()
        return _LENGTH.pack(len(head)) + head + save(edit_arrays(self.asked.edits))

    @classmethod
    def unpack(cls, data: bytes) -> "PredictCall":
        """The call of `pack`."""
        [length] = _LENGTH.unpack_from(data)
        said: dict[str, Any] = json.loads(data[_LENGTH.size : _LENGTH.size + length])
        arrays = load(data[_LENGTH.size + length :])
        asked = AskedModel(said["checkpoint"], make_edits(tuple(said["edits"]), arrays), said["max_tokens"])
        return cls(asked, _EXAMPLES.validate_python(said["examples"]))


def pack_examples(examples: Sequence[Example]) -> bytes:
    """An answer."""
    return json.dumps({"examples": _EXAMPLES.dump_python(tuple(examples), mode="json")}, ensure_ascii=False).encode()


def pack_error(error: BaseException) -> bytes:
    """An error in the place of an answer; one that a client is not told of is told as unavailability."""
    kind = type(error).__name__
    if kind in _ERRORS:
        given: list[Any] = [getattr(error, name) for name in _ERRORS[kind][1]]
    else:
        known = isinstance(error, DataLoss)
        kind, given = ("DataLoss" if known else "Unavailable"), [str(error) if known else f"{kind}: {error}"[:2000]]
    return json.dumps({"error": kind, "arguments": given}, ensure_ascii=False).encode()


def unpack_answer(data: bytes) -> list[Example]:
    """The examples of an answer.

    Raises:
        ServiceError: The answer is an error.
    """
    said: dict[str, Any] = json.loads(data)
    if "error" in said:
        kind, given = said["error"], said["arguments"]
        if kind in _ERRORS:
            raise _ERRORS[kind][0](*given)
        raise (DataLoss if kind == "DataLoss" else Unavailable)(*given)
    return list(_EXAMPLES.validate_python(said["examples"]))
