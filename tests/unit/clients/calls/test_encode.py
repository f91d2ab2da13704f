"""The state machine of an encode call, driven through an in-memory server that breaks wherever chance wants."""

import random
from collections import deque

import numpy as np
import pytest
from babelscope.calls.encode import MESSAGE_BYTES, MESSAGE_TEXTS, EncodeSession, Window, encode_spec
from babelscope.data.models import Model
from babelscope.data.texts import Text
from babelscope.errors import DataCorrupted, TensorError
from babelscope.v1 import encoder_pb2 as pb
from babelscope.v1 import model_pb2
from babelscope.v1.tensor_pb2 import DATA_TYPE_F32, Tensor
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.fake_encoder import LAYERS, WIDTH, vector

SPEC = encode_spec("m")


def _started(digest: str = "digest") -> pb.EncodeResponse:
    model = model_pb2.Model(name="m", layers=LAYERS - 1, hidden_size=WIDTH, digest=digest)
    return pb.EncodeResponse(started=pb.EncodeStarted(model=model, layers=range(LAYERS), pooling=1))


def _chunk(block: int, items: list[tuple[int, str, str]]) -> pb.EncodeResponse:
    array = np.stack([vector(text) for _, _, text in items])
    encoded = [pb.EncodedItem(index=i, id=name, rows=1, tokens=2, truncated=False) for i, name, _ in items]
    tensor = Tensor(dtype=DATA_TYPE_F32, shape=array.shape)
    return pb.EncodeResponse(chunk=pb.ActivationChunk(block=block, items=encoded, tensor=tensor, data=array.tobytes()))


class Server:
    """One attempt's stream: answers texts in any order, in blocks cut into chunks that mingle with other blocks'."""

    def __init__(self, chance: random.Random) -> None:
        self.chance = chance
        self.waiting: list[tuple[int, str, str]] = []
        self.count = 0
        self.closed = False
        self.queues: list[deque[pb.EncodeResponse]] = []
        self.blocks = 0

    def take(self, message: pb.EncodeRequest) -> None:
        for text in message.texts.texts:
            self.waiting.append((self.count, text.id, text.text))
            self.count += 1

    def answer(self) -> pb.EncodeResponse | None:
        """The next response; None where there is nothing to say yet."""
        chance = self.chance
        if self.waiting and (not self.queues or chance.random() < 0.5):
            chance.shuffle(self.waiting)
            size = chance.randint(1, 4)
            items, self.waiting = self.waiting[:size], self.waiting[size:]
            self.queues.append(self._cut(_chunk(self.blocks, items)))
            self.blocks += 1
        if self.queues:
            queue = chance.choice(self.queues)
            response = queue.popleft()
            if not queue:
                self.queues.remove(queue)
            return response
        if self.closed:
            return pb.EncodeResponse(finished=pb.EncodeFinished(texts=self.count, queue_seconds=1, compute_seconds=2))
        return None

    def _cut(self, whole: pb.EncodeResponse) -> deque[pb.EncodeResponse]:
        chunk, data = whole.chunk, whole.chunk.data
        points = sorted({0, *(self.chance.randrange(1, len(data)) for _ in range(self.chance.randint(0, 3)))})
        cuts: deque[pb.EncodeResponse] = deque()
        for start, stop in zip(points, [*points[1:], len(data)], strict=True):
            part = pb.ActivationChunk(block=chunk.block, offset=start, data=data[start:stop])
            if start == 0:
                part.items.extend(chunk.items)
                part.tensor.CopyFrom(chunk.tensor)
            cuts.append(pb.EncodeResponse(chunk=part))
        return cuts


@settings(max_examples=200, deadline=None)
@given(
    total=st.integers(1, 40),
    window=st.integers(1, 12),
    breaks=st.lists(st.integers(0, 30), max_size=6),
    chance=st.randoms(use_true_random=False),
)
def test_no_row_is_lost_or_doubled_wherever_the_stream_breaks(
    total: int, window: int, breaks: list[int], chance: random.Random
) -> None:
    texts = [Text(f"id{i}", f"text {i}") for i in range(total)]
    source = iter(texts)
    session = EncodeSession(SPEC, Window(texts=window), keep_ids=True)
    got: dict[int, np.ndarray] = {}
    attempts = 0
    while not session.done:
        left = breaks[attempts] if attempts < len(breaks) else None
        attempts += 1
        server = Server(chance)
        assert session.begin().spec == SPEC
        assert session.receive(_started()) is None
        while not session.done:
            if left is not None and left <= 0:
                break  # everything the server still held is gone
            left = None if left is None else left - 1
            if session.wants_text and chance.random() < 0.7:
                text = next(source, None)
                if text is None:
                    session.close()
                else:
                    session.add(text)
            if session.message_ready or (session.has_unsent and chance.random() < 0.3):
                message = session.next_message()
                assert message is not None
                server.take(message)
            server.closed = session.all_sent
            response = server.answer()
            block = None if response is None else session.receive(response)
            if block is not None:
                for item, rows in block.parts():
                    assert item.index not in got, "a row came twice"
                    assert item.id == texts[item.index].id
                    got[item.index] = rows[0]
            assert session.taken - len(got) <= window, "more than a window was held"
    assert sorted(got) == list(range(total))
    for position, row in got.items():
        assert np.array_equal(row, vector(texts[position].text))
    assert session.ids == [text.id for text in texts]
    assert (session.totals.texts, session.totals.tokens) == (total, 2 * total)
    assert session.totals.attempts == attempts


def _session(count: int = 3) -> EncodeSession:
    """A session whose texts are all sent, in its first attempt."""
    session = EncodeSession(SPEC)
    session.begin()
    session.receive(_started())
    for i in range(count):
        session.add(f"text {i}")
    session.close()
    session.next_message()
    return session


def test_messages_are_bounded_in_texts_and_bytes() -> None:
    session = EncodeSession(SPEC)
    session.begin()
    for i in range(300):
        session.add(Text(str(i), "x"))
    assert session.message_ready
    first, second = session.next_message(), session.next_message()
    assert first is not None
    assert second is not None
    assert (len(first.texts.texts), len(second.texts.texts)) == (MESSAGE_TEXTS, 44)
    for i in range(5):
        session.add(Text(f"long{i}", "y" * (MESSAGE_BYTES // 2)))
    sizes = []
    while (message := session.next_message()) is not None:
        sizes.append(len(message.texts.texts))
    assert sizes == [1, 1, 1, 1, 1]


def test_a_text_longer_than_a_message_goes_alone() -> None:
    session = EncodeSession(SPEC)
    session.begin()
    session.add(Text("a", "z" * (2 * MESSAGE_BYTES)))
    message = session.next_message()
    assert message is not None
    assert len(message.texts.texts) == 1


def test_another_model_after_a_break_is_an_error() -> None:
    session = _session()
    session.begin()
    with pytest.raises(DataCorrupted, match="digest other"):
        session.receive(_started("other"))


def test_a_replica_on_another_device_may_go_on() -> None:
    session = _session()
    session.begin()
    again = _started()
    again.started.device = "cuda:1"
    again.started.model.state = model_pb2.MODEL_STATE_READY
    session.receive(again)
    assert session.totals.attempts == 2


def test_a_break_after_the_last_answer_needs_no_further_attempt() -> None:
    session = _session(1)
    assert not session.done
    assert session.receive(_chunk(0, [(0, "0", "text 0")])) is not None
    assert session.done


@pytest.mark.parametrize(
    ("items", "problem"),
    [
        ([(5, "5", "x")], "Expected an index within 0..2, but got 5"),
        ([(-1, "0", "x")], "Expected an index within 0..2, but got -1"),
        ([(0, "1", "x")], "Expected id '0' at index 0, but got '1'"),
        ([(0, "0", "x"), (0, "0", "x")], "Expected one answer for text '0', but got two"),
    ],
)
def test_an_answer_that_contradicts_the_request_is_an_error(items: list[tuple[int, str, str]], problem: str) -> None:
    with pytest.raises(DataCorrupted, match=problem):
        _session().receive(_chunk(0, items))


def test_rows_before_what_the_call_resolved_to_are_an_error() -> None:
    session = EncodeSession(SPEC)
    session.begin()
    session.add("a")
    session.next_message()
    with pytest.raises(DataCorrupted, match="what it resolved to"):
        session.receive(_chunk(0, [(0, "0", "a")]))


def test_totals_before_all_answers_are_an_error() -> None:
    with pytest.raises(DataCorrupted, match="3 are missing"):
        _session().receive(pb.EncodeResponse(finished=pb.EncodeFinished()))


def test_a_stream_that_ends_early_is_an_error() -> None:
    with pytest.raises(DataCorrupted, match="3 texts unanswered"):
        _session().end()


def test_values_that_are_not_finite_do_not_pass() -> None:
    response = _chunk(0, [(0, "0", "text 0")])
    bad = np.frombuffer(response.chunk.data, "<f4").copy()
    bad[3] = np.nan
    response.chunk.data = bad.tobytes()
    with pytest.raises(TensorError, match="Expected finite values"):
        _session().receive(response)


def test_what_was_resolved_is_known_only_after_an_answer() -> None:
    with pytest.raises(RuntimeError, match="first block"):
        _ = EncodeSession(SPEC).resolved


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        (
            {"pooling": "max"},
            "Expected `pooling` to be one of 'mean', 'cls', 'token', 'word_first', 'word_mean', 'span', but got 'max'",
        ),
        ({"overflow": "cut"}, "Expected `overflow` to be one of 'refuse', 'truncate', but got 'cut'"),
        (
            {"compute_dtype": "float16"},
            "Expected `compute_dtype` to be one of 'float32', 'bfloat16', 'int8', but got 'float16'",
        ),
    ],
)
def test_options_that_are_not_offered_are_named(options: dict[str, str], problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        encode_spec(Model("m"), **options)
