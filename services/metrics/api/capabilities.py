"""The door to the registries: what this server offers, with its options."""

from typing import Any

from babelscope.v1 import metrics_pb2

from services.metrics.maps import registry as maps
from services.metrics.scores import registry as scores
from services.metrics.similarity import registry as similarity
from services.runtime.rpc.listing import named_page, option_messages


class CapabilitiesDoor:
    """Answers `ListMeasures`, `ListMapMethods` and `ListScores`."""

    async def ListMeasures(  # noqa: N802 - gRPC's name
        self, request: metrics_pb2.ListMeasuresRequest, context: Any
    ) -> metrics_pb2.ListMeasuresResponse:
        """A page of measures of similarity."""
        del context
        infos = (
            metrics_pb2.MeasureInfo(
                name=name,
                summary=measure.summary,
                estimators=measure.estimators,
                options=option_messages(similarity.describe_options(name)),
            )
            for name, measure in similarity.MEASURES.items()
        )
        page, token = named_page(request, infos)
        return metrics_pb2.ListMeasuresResponse(measures=page, next_page_token=token)

    async def ListMapMethods(  # noqa: N802 - gRPC's name
        self, request: metrics_pb2.ListMapMethodsRequest, context: Any
    ) -> metrics_pb2.ListMapMethodsResponse:
        """A page of methods of fitting a map."""
        del context
        infos = (
            metrics_pb2.MapMethodInfo(
                name=name, summary=method.summary, options=option_messages(maps.describe_options(name))
            )
            for name, method in maps.METHODS.items()
        )
        page, token = named_page(request, infos)
        return metrics_pb2.ListMapMethodsResponse(methods=page, next_page_token=token)

    async def ListScores(  # noqa: N802 - gRPC's name
        self, request: metrics_pb2.ListScoresRequest, context: Any
    ) -> metrics_pb2.ListScoresResponse:
        """A page of scores."""
        del context
        infos = (
            metrics_pb2.ScoreInfo(
                name=name, summary=score.summary, options=option_messages(scores.describe_options(name))
            )
            for name, score in scores.SCORES.items()
        )
        page, token = named_page(request, infos)
        return metrics_pb2.ListScoresResponse(scores=page, next_page_token=token)
