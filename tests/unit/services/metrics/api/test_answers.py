from typing import Any

from babelscope.v1 import metrics_pb2

from services.metrics.api.answers import Answers
from services.metrics.estimates.estimates import Progress


class _Stream:
    """A stream that keeps what is written."""

    def __init__(self) -> None:
        self.done: list[Any] = []

    async def write(self, message: Any) -> None:
        self.done.append(message)


async def test_the_first_and_the_last_progress_of_a_stage_are_always_told() -> None:
    stream = _Stream()
    answer = Answers(stream, metrics_pb2.CompareResponse)
    for stage in ("a", "b"):
        for done in (0, 1, 10):
            await answer.tell(Progress("encode", done, 10, stage))
    told = [(message.progress.detail, message.progress.done) for message in stream.done]
    # A step between them is told only where some time has passed.
    assert [each for each in told if each[1] != 1] == [("a", 0), ("a", 10), ("b", 0), ("b", 10)]
