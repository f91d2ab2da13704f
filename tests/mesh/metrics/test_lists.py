"""What a metrics server offers, page by page."""

from collections.abc import Callable
from typing import Any

import grpc
import pytest
from babelscope.v1 import metrics_pb2 as pb

from services.metrics.maps.registry import METHODS
from services.metrics.scores.registry import SCORES
from services.metrics.similarity import MEASURES

LISTS = {
    "ListMeasures": (pb.ListMeasuresRequest, "measures", MEASURES),
    "ListMapMethods": (pb.ListMapMethodsRequest, "methods", METHODS),
    "ListScores": (pb.ListScoresRequest, "scores", SCORES),
}


@pytest.mark.parametrize("call", LISTS)
async def test_pages_together_have_all_by_name(serve: Callable[..., Any], call: str) -> None:
    one = await serve()
    request, field, registry = LISTS[call]
    infos: list[Any] = []
    token = ""
    while token or not infos:
        page = await getattr(one.stub, call)(request(page_size=3, page_token=token))
        infos += getattr(page, field)
        assert len(getattr(page, field)) <= 3
        token = page.next_page_token
    assert [each.name for each in infos] == sorted(registry)
    assert all(each.summary.endswith(".") for each in infos)
    options = [option for each in infos for option in each.options]
    assert all(option.summary and option.type for option in options)


@pytest.mark.parametrize("call", LISTS)
async def test_a_token_of_no_page_is_refused(serve: Callable[..., Any], call: str) -> None:
    one = await serve()
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await getattr(one.stub, call)(LISTS[call][0](page_token="none"))
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT


async def test_the_client_reads_all_that_is_told(serve: Callable[..., Any]) -> None:
    client = (await serve()).client
    assert next(each for each in await client.list_measures() if each.name == "cka").estimators == (
        "debiased",
        "biased",
    )
    methods = {each.name: each for each in await client.list_map_methods()}
    rounds = {each.name: each for each in methods["vecmap"].options}
    assert (rounds["whiten"].type, rounds["whiten"].default) == ("true or false", "true")
    assert "unsupervised" in rounds["supervision"].choices
    scores = {each.name: each for each in await client.list_scores()}
    assert {"resamples", "seed"} <= {each.name for each in scores["bleu1"].options}
