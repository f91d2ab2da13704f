"""Texts of which only special tokens remain, with tokenizers that add one to four of them: refused by every call."""

import json
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest
from babelscope.v1 import encoder_pb2, encoder_pb2_grpc, model_pb2, text_pb2

from tests.support.encoder_calls import encode, refused, spec, texts
from tests.support.refusals import failure, refusal
from tests.support.tiny_models import build_model

INVALID = grpc.StatusCode.INVALID_ARGUMENT
ADDED = {
    1: "$A [SEP]",
    2: "[CLS] $A [SEP]",
    3: "[CLS] [MASK] $A [SEP]",
    4: "[CLS] [MASK] [SEP] $A [SEP]",
}
"""What stands around a text, by the number of special tokens."""
NOTHING = ("\u200b", "\x01\x02", "\ufeff\u200d", " \u200b ")
"""Texts of characters that BERT's normaliser takes away."""
REF = model_pb2.ModelRef(name="m")


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_model("bert", tmp_path_factory.mktemp("built") / "m", head=True)


@pytest.fixture
async def server(serve: Any, built: Path, added: int) -> Any:
    """A server of a model whose tokenizer adds so many special tokens."""
    path = built / "tokenizer.json"
    content = json.loads(path.read_text("utf-8"))
    ids = {token: content["model"]["vocab"][token] for token in ("[CLS]", "[SEP]", "[MASK]")}
    around = [
        {"Sequence": {"id": "A", "type_id": 0}} if each == "$A" else {"SpecialToken": {"id": each, "type_id": 0}}
        for each in ADDED[added].split()
    ]
    specials = {token: {"id": token, "ids": [number], "tokens": [token]} for token, number in ids.items()}
    content["post_processor"] |= {"type": "TemplateProcessing", "single": around, "special_tokens": specials}
    path.write_text(json.dumps(content), "utf-8")
    return await serve(model_roots=(built.parent,))


@pytest.mark.parametrize("added", ADDED)
async def test_a_text_of_special_tokens_alone_is_refused_and_its_neighbours_have_their_rows(
    server: Any, added: int
) -> None:
    every = (await encode(server.stub, spec("m", pooling=model_pb2.POOLING_TOKEN), texts("the river"))).arrays[0]
    inside = slice(added - 1, -1)
    assert len(every[inside]) == len(every) - added > 0
    mean = (await encode(server.stub, spec("m"), texts("the river"))).arrays[0]
    np.testing.assert_allclose(mean[0], every[inside].mean(0), atol=1e-5)
    reason = "Expected a text with at least one token, but text 't1' has none"
    for nothing in NOTHING:
        found = await refused(server.address, spec("m"), texts("the river", nothing))
        assert (found.code, found.fields) == (INVALID, {"texts.texts[1].text": reason})


@pytest.mark.parametrize("added", [3])
@pytest.mark.parametrize("pooling", ["MEAN", "CLS", "TOKEN"])
async def test_whatever_the_pooling(server: Any, pooling: str) -> None:
    found = await refused(server.address, spec("m", pooling=f"POOLING_{pooling}"), texts(NOTHING[0]))
    assert (found.code, list(found.fields)) == (INVALID, ["texts.texts[0].text"])


@pytest.mark.parametrize("added", [3])
async def test_whatever_the_call(server: Any) -> None:
    one = text_pb2.Text(id="t", text=NOTHING[0])
    request = encoder_pb2.TokenizeRequest(model=REF, texts=[one])
    found = [await failure(server.stub.Tokenize(request))]
    head, body = encoder_pb2.EncodeSpec(model=REF), encoder_pb2.EncodeTexts(texts=[one])
    for name, first in (
        ("MeanActivations", head),
        ("EncodeWords", encoder_pb2.EncodeWordsSpec(encode=head)),
        ("PredictTokens", encoder_pb2.PredictTokensSpec(encode=head)),
    ):
        message = getattr(encoder_pb2, f"{name}Request")
        stream = (message(spec=first), message(texts=body))
        found.append(await refusal(server.address, encoder_pb2_grpc.EncoderServiceStub, name, *stream))
    for each in found:
        assert (each.code, list(each.fields.values())) == (
            INVALID, ["Expected a text with at least one token, but text 't' has none"]
        ), each  # fmt: skip


@pytest.mark.parametrize("added", [3, 4])
async def test_a_limit_without_room_beside_the_special_tokens_is_refused_as_such(server: Any, added: int) -> None:
    """What is cut to special tokens alone has tokens of its own: the limit is what is wrong."""
    cut = {"overflow": text_pb2.OVERFLOW_TRUNCATE}
    found = await refused(server.address, spec("m", max_tokens=added, **cut), texts("the river"))
    assert (found.code, list(found.fields)) == (INVALID, ["spec.max_tokens"])
    assert f"within {added + 1}..256 for model m" in found.message
    kept = await encode(
        server.stub, spec("m", pooling=model_pb2.POOLING_TOKEN, max_tokens=added + 1, **cut), texts("the river")
    )
    assert len(kept.arrays[0]) == added + 1
