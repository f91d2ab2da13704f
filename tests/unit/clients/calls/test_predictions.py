"""A call for predicted tokens, driven by hand: attempts that break, and answers that contradict themselves."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from babelscope.calls.encode import MESSAGE_TEXTS, encode_spec
from babelscope.calls.predictions import PredictCall, prediction_spec
from babelscope.data.tensors import to_proto
from babelscope.errors import DataCorrupted
from babelscope.v1 import encoder_pb2 as pb
from babelscope.v1 import model_pb2

SPEC = prediction_spec(encode_spec("m"), top_k=2)


def _started(digest: str = "d", device: str = "cpu") -> pb.PredictTokensResponse:
    model = model_pb2.Model(name="m", digest=digest)
    return pb.PredictTokensResponse(
        started=pb.PredictTokensStarted(model=model, layers=[3], settings=1, top_k=2, device=device)
    )


def _text(index: int, name: str, tokens: int = 3, **fields: Any) -> pb.PredictedText:
    ids = np.full((1, 1, tokens, 2), index, np.int32)
    whole = {
        "input_ids": range(tokens),
        "special": [True, *[False] * (tokens - 2), True],
        "token_ids": to_proto(ids),
        "log_probabilities": to_proto(-ids.astype(np.float32)),
    }
    return pb.PredictedText(index=index, id=name, **{**whole, **fields})


def _predicted(*texts: pb.PredictedText) -> pb.PredictTokensResponse:
    return pb.PredictTokensResponse(predicted=pb.PredictedTexts(texts=texts))


FINISHED = pb.PredictTokensResponse(finished=pb.EncodeFinished())


def _sent(call: PredictCall) -> list[str]:
    first, *others = call.begin()
    assert first.spec == SPEC
    return [text.id for message in others for text in message.texts.texts]


def _call(texts: Sequence[str] = ("a", "b", "c")) -> PredictCall:
    call = PredictCall(SPEC, texts)
    assert _sent(call) == [str(place) for place in range(len(texts))]
    return call


def test_an_attempt_sends_only_what_is_unanswered() -> None:
    call = _call()
    call.receive(_started())
    call.receive(pb.PredictTokensResponse(pieces=pb.VocabularyPieces(pieces={0: "zero", 1: "", 2: "t w o"})))
    [told] = call.receive(_predicted(_text(1, "1")))
    assert (told.done, told.total) == (1, 3)
    assert _sent(call) == ["0", "2"]
    call.receive(_started(device="cuda:0"))
    call.receive(_predicted(_text(1, "2"), _text(0, "0")))
    call.receive(FINISHED)
    call.finish()
    found = call.answer
    assert [text.id for text in found.texts] == ["0", "1", "2"]
    assert found.inputs(0) == ["<1>"]
    assert found.words([0, 1, 2, 7]) == ["zero", "<1>", "two", "<7>"]
    assert found.best(0) == ["zero"]


def test_texts_travel_in_messages_of_bounded_size() -> None:
    call = PredictCall(SPEC, ["x"] * (MESSAGE_TEXTS + 1) + ["y" * 200_000] * 3)
    sizes = [len(message.texts.texts) for message in call.begin()][1:]
    assert sizes == [MESSAGE_TEXTS, 2, 1, 1]


@pytest.mark.parametrize(
    ("answers", "problem"),
    [
        ([_predicted(_text(0, "0"))], "what the call resolved to before predictions"),
        ([_started(), _predicted(_text(3, "3"))], r"index within 0\.\.2, but got 3"),
        ([_started(), _predicted(_text(0, "0")), _predicted(_text(0, "0"))], "one answer for text '0', but got two"),
        ([_started(), _predicted(_text(0, "1"))], "Expected id '0' at index 0, but got '1'"),
        ([_started(), _predicted(_text(0, "0", special=[True]))], "predictions of shape"),
        ([_started(), _predicted(_text(0, "0", input_ids=[1]))], "predictions of shape"),
        ([_started(), _started("other")], "of digest d, but after the stream broke it answers with m of digest other"),
        (
            [_started(), _predicted(_text(0, "0", log_probabilities=to_proto(np.full((1, 1, 3, 2), np.nan, "f4"))))],
            "finite log-probabilities",
        ),
    ],
)
def test_answers_that_contradict_themselves(answers: list[pb.PredictTokensResponse], problem: str) -> None:
    call = _call()
    *fine, last = answers
    for answer in fine:
        call.receive(answer)
    with pytest.raises(DataCorrupted, match=problem):
        call.receive(last)


def test_an_answer_that_ends_early() -> None:
    call = _call()
    call.receive(_started())
    call.receive(_predicted(_text(0, "0"), _text(1, "1")))
    with pytest.raises(DataCorrupted, match="ended with 1 texts unanswered"):
        call.finish()
    call.receive(_predicted(_text(2, "2")))
    with pytest.raises(DataCorrupted, match="ended with 0 texts unanswered"):
        call.finish()


def test_options() -> None:
    assert len(prediction_spec(encode_spec("m")).settings) == 1
    with pytest.raises(ValueError, match="at least one setting"):
        prediction_spec(encode_spec("m"), settings=[])
    with pytest.raises(ValueError, match="`top_k` of at least 1, but got 0"):
        prediction_spec(encode_spec("m"), top_k=0)
    with pytest.raises(RuntimeError, match="the answer to be read"):
        _ = PredictCall(SPEC, ["a"]).answer
