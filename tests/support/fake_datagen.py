"""A datagen servicer that keeps nothing: pages of names, and examples of a fixed list, broken off where told to."""

from collections.abc import Iterator
from dataclasses import dataclass, field

import grpc
from babelscope import Example
from babelscope.data.example_messages import to_proto
from babelscope.v1 import datagen_pb2 as pb
from babelscope.v1 import datagen_pb2_grpc

from tests.support.cancellation import cancelled

EXAMPLES = [Example(str(number), f"text {number}", "en") for number in range(10)]


@dataclass
class FakeDatagen(datagen_pb2_grpc.DatagenServiceServicer):
    """Breaks off where it is told to.

    Args:
        breaks: One an attempt: messages after which the stream breaks off; none left to go through.
        code: The status of a break.
        linger: Seconds to wait, once the messages have ended, for the client to cancel its call.
        whole: Requests of which all messages came, and that the client did not cancel.
    """

    breaks: list[int] = field(default_factory=list)
    code: grpc.StatusCode = grpc.StatusCode.UNAVAILABLE
    attempts: int = 0
    linger: float = 0.0
    whole: int = 0
    read: list[int] = field(default_factory=list)
    ids: list[str] = field(default_factory=list)

    def _begin(self, context: grpc.ServicerContext) -> int:
        self.attempts += 1
        self.ids.append(dict(context.invocation_metadata())["x-request-id"])
        return self.breaks.pop(0) if self.breaks else 1 << 30

    def ListDatasets(self, request: pb.ListDatasetsRequest, context: grpc.ServicerContext) -> pb.ListDatasetsResponse:  # noqa: N802
        page = int(request.page_token or 0)
        return pb.ListDatasetsResponse(
            datasets=[pb.Dataset(name=f"datasets/{page}")], next_page_token=str(page + 1) if page < 2 else ""
        )

    def ListTransforms(  # noqa: N802
        self, request: pb.ListTransformsRequest, context: grpc.ServicerContext
    ) -> pb.ListTransformsResponse:
        page = int(request.page_token or 0)
        return pb.ListTransformsResponse(
            transforms=[pb.TransformInfo(name=f"transform_{page}")], next_page_token=str(page + 1) if page < 2 else ""
        )

    def Transform(  # noqa: N802
        self, request_iterator: Iterator[pb.TransformRequest], context: grpc.ServicerContext
    ) -> Iterator[pb.TransformResponse]:
        self._begin(context)
        for _ in request_iterator:
            yield pb.TransformResponse(progress=pb.DatagenProgress())
        self.whole += not cancelled(context, self.linger)
        yield pb.TransformResponse(report=pb.TransformReport())

    def PutDataset(  # noqa: N802
        self, request_iterator: Iterator[pb.PutDatasetRequest], context: grpc.ServicerContext
    ) -> pb.Dataset:
        left = self._begin(context)
        read = 0
        for number, request in enumerate(request_iterator):
            if number == left:
                context.abort(self.code, "told to break")
            read += len(request.examples.examples)
        self.whole += not cancelled(context, self.linger)
        self.read.append(read)
        return pb.Dataset(name="datasets/new", examples=read)

    def GetDataset(  # noqa: N802
        self, request: pb.GetDatasetRequest, context: grpc.ServicerContext
    ) -> Iterator[pb.GetDatasetResponse]:
        left = self._begin(context)
        for number, example in enumerate(EXAMPLES):
            if number == left:
                context.abort(self.code, "told to break")
            yield pb.GetDatasetResponse(examples=[to_proto(example)])
