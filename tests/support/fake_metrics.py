"""A metrics servicer that measures nothing: it counts rows, and answers one number a pair and layer."""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import grpc
from babelscope.data.tensors import to_numpy
from babelscope.v1 import metrics_pb2 as pb
from babelscope.v1 import metrics_pb2_grpc, options_pb2

from tests.support.cancellation import cancelled


@dataclass
class FakeMetrics(metrics_pb2_grpc.MetricsServiceServicer):
    """Breaks off where it is told to.

    Args:
        breaks: One an attempt: messages after which the stream breaks off; None to go through.
        code: The status of a break.
        report: Whether an answer ends with its report.
        unavailable: Calls of Correlate to refuse first.
        linger: Seconds to wait, once the messages have ended, for the client to cancel its call.
        whole: Requests of which all messages came, and that the client did not cancel.
        merges: Calls of Merge.
    """

    breaks: list[int | None] = field(default_factory=list)
    code: grpc.StatusCode = grpc.StatusCode.UNAVAILABLE
    specs: list[Any] = field(default_factory=list)
    order: list[str] = field(default_factory=list)
    report: bool = True
    unavailable: int = 0
    linger: float = 0.0
    whole: int = 0
    merges: int = 0

    def Compare(  # noqa: N802
        self, request_iterator: Iterator[pb.CompareRequest], context: grpc.ServicerContext
    ) -> Iterator[pb.CompareResponse]:
        yield from self._answer(pb.CompareResponse, request_iterator, context)

    def Retrieve(  # noqa: N802
        self, request_iterator: Iterator[pb.RetrieveRequest], context: grpc.ServicerContext
    ) -> Iterator[pb.RetrieveResponse]:
        yield from self._answer(pb.RetrieveResponse, request_iterator, context)

    def Merge(self, request: pb.MergeRequest, context: grpc.ServicerContext) -> Iterator[pb.MergeResponse]:  # noqa: N802
        self.merges += 1
        yield pb.MergeResponse(estimates=pb.Estimates(estimates=[pb.Estimate(metric="cka")]))
        if self.merges <= len(self.breaks):
            context.abort(self.code, "told to break")
        yield pb.MergeResponse(report=pb.AlignmentReport(state="states/whole"))

    def Correlate(self, request: pb.CorrelateRequest, context: grpc.ServicerContext) -> pb.CorrelateResponse:  # noqa: N802
        if self.unavailable:
            self.unavailable -= 1
            context.abort(grpc.StatusCode.UNAVAILABLE, "starting")
        return pb.CorrelateResponse(correlations=[pb.Correlation(method="pearson", value=0.5)])

    def _answer(self, response: Any, requests: Iterator[Any], context: grpc.ServicerContext) -> Iterator[Any]:
        attempt = len(self.specs)
        left = self.breaks[attempt] if attempt < len(self.breaks) else None
        spec = next(requests).spec
        self.specs.append(spec)
        self.order.clear()
        rows: dict[str, int] = {view.name: 0 for view in spec.views}
        sums: dict[str, float] = {}
        for request in requests:
            if left == 0:
                context.abort(self.code, "told to break")
            left = None if left is None else left - 1
            kind = request.WhichOneof("message")
            part = getattr(request, kind)
            self.order.append(part.view)
            rows[part.view] += len(part.texts) if kind == "texts" else len(part.ids)
            if kind == "activations":
                sums[part.view] = sums.get(part.view, 0.0) + float(to_numpy(part.tensor).sum(dtype=float))
            yield response(progress=pb.MetricsProgress(stage="encode", done=rows[part.view], detail=part.view))
        self.whole += not cancelled(context, self.linger)
        pairs = [(pair.left, pair.right) for pair in spec.pairs] or list(itertools.combinations(rows, 2))
        for left_name, right_name in pairs:
            layers = next(list(view.layers) or list(view.encode.layers) or [0] for view in spec.views)
            estimates = [
                pb.Estimate(
                    metric="cka",
                    estimator="debiased",
                    left=left_name,
                    right=right_name,
                    left_layer=layer,
                    right_layer=layer,
                    value=sums.get(left_name, layer / 10),
                    low=0.1,
                    high=0.9,
                    n=rows[left_name],
                    signature="cka|fake",
                    warnings=["few rows"],
                )
                for layer in layers
            ]
            yield response(estimates=pb.Estimates(estimates=estimates))
        if self.report:
            views = [pb.ViewReport(name=name, rows=count, model_digest="digest") for name, count in rows.items()]
            pair_reports = [
                pb.PairReport(left=a, right=b, n=rows[a], left_only=1, right_only=0, examples=["s9"]) for a, b in pairs
            ]
            yield response(report=pb.AlignmentReport(views=views, pairs=pair_reports))

    def ListMeasures(self, request: pb.ListMeasuresRequest, context: grpc.ServicerContext) -> pb.ListMeasuresResponse:  # noqa: N802
        page = int(request.page_token or 0)
        info = pb.MeasureInfo(
            name=f"measure_{page}", summary="Measures.", estimators=["plain", "other"], options=_OPTIONS
        )
        return pb.ListMeasuresResponse(measures=[info], next_page_token=_next(page))

    def ListMapMethods(  # noqa: N802
        self, request: pb.ListMapMethodsRequest, context: grpc.ServicerContext
    ) -> pb.ListMapMethodsResponse:
        page = int(request.page_token or 0)
        return pb.ListMapMethodsResponse(
            methods=[pb.MapMethodInfo(name=f"method_{page}", options=_OPTIONS)], next_page_token=_next(page)
        )

    def ListScores(self, request: pb.ListScoresRequest, context: grpc.ServicerContext) -> pb.ListScoresResponse:  # noqa: N802
        page = int(request.page_token or 0)
        return pb.ListScoresResponse(
            scores=[pb.ScoreInfo(name=f"score_{page}", options=_OPTIONS)], next_page_token=_next(page)
        )


_OPTIONS = [
    options_pb2.OptionInfo(name="depth", summary="A depth.", default_value="2", type="whole number"),
    options_pb2.OptionInfo(name="way", summary="A way.", required=True, type="text", choices=["in", "out"]),
]


def _next(page: int) -> str:
    return str(page + 1) if page < 2 else ""
