import asyncio
from typing import Any

import numpy as np
import pytest
from babelscope.data.tensors import CHUNK_BYTES, bf16_to_f32

from services.encoder.queue.answers import bytes_of
from services.models.spec import EncodePlan, Pooling, PredictPlan
from services.runtime.errors import LimitExceeded

PLAN = EncodePlan((0, 2))
TOKENS = EncodePlan((1,), Pooling.TOKEN)


def _texts(make: Any, *lengths: int) -> list[tuple[str, Any]]:
    return [(f"t{number}", make(length, number)) for number, length in enumerate(lengths)]


async def test_every_text_is_answered_once_with_its_own_numbers(rig: Any, engine: Any, fake_text: Any) -> None:
    lengths = [3 + number * 7 % 50 for number in range(200)]
    answers = await rig().run(engine, PLAN, lengths)
    expected = engine.encode([fake_text(length, number) for number, length in enumerate(lengths)], PLAN)
    assert sorted(answers) == list(range(200))
    for number, array in enumerate(expected):
        np.testing.assert_array_equal(answers[number], array)


async def test_concurrent_streams_equal_serial_ones(rig: Any, engine: Any) -> None:
    bench = rig()
    lengths = [[3 + (number * 7 + stream) % 50 for number in range(40)] for stream in range(16)]
    serial = [await bench.run(engine, PLAN, each) for each in lengths]
    together = await asyncio.gather(*(bench.run(engine, PLAN, each, client=str(n)) for n, each in enumerate(lengths)))
    for one, other in zip(serial, together, strict=True):
        assert one.keys() == other.keys()
        for index, array in one.items():
            np.testing.assert_array_equal(array, other[index])
    assert any(len(batch) > 1 for batch in engine.batches)


async def test_a_batch_keeps_the_budget_and_is_reported(rig: Any, engine: Any) -> None:
    bench = rig()
    await bench.run(engine, PLAN, [5, 60, 7, 50, 9, 40] * 10, budget=64)
    assert all(max(batch) * len(batch) <= 64 for batch in engine.batches)
    assert sum(report.texts for report in bench.reports) == 60
    assert sum(report.tokens for report in bench.reports) == 1710
    assert all(report.tokens <= report.padded_tokens <= 64 for report in bench.reports)
    assert all(wait >= 0 for report in bench.reports for wait in report.waited)


async def test_a_giant_stream_does_not_hold_up_a_small_request(rig: Any, engine: Any, fake_text: Any) -> None:
    bench = rig(queue_tokens=1_000_000)
    giant = bench.scheduler.open(engine, PLAN, budget=64, client="giant")
    engine.hold()
    await giant.submit(_texts(fake_text, *[30] * 5000))
    small = asyncio.create_task(bench.run(engine, PLAN, [4], client="small"))
    await asyncio.sleep(0)
    engine.open.set()
    assert len(await small) == 1
    # Two batches were with the device already, and one in four is the oldest text's.
    assert next(place for place, batch in enumerate(engine.batches) if 4 in batch) < 8
    giant.close()


async def test_texts_of_one_model_and_plan_share_a_batch_and_others_do_not(
    rig: Any, make_engine: Any, fake_text: Any, until: Any
) -> None:
    bench = rig()
    one, two = make_engine("one"), make_engine("two")
    one.hold()
    first = asyncio.create_task(bench.run(one, PLAN, [40, 40, 40]))
    await until(lambda: bench.scheduler.queued_texts == 1)
    runs = [
        bench.run(one, EncodePlan((0, 2)), [8]),
        bench.run(one, EncodePlan((0, 2)), [8]),
        bench.run(one, EncodePlan((0,)), [8]),
        bench.run(two, PLAN, [8]),
    ]
    rest = [asyncio.create_task(run) for run in runs]
    await until(lambda: bench.scheduler.queued_texts == 5)
    one.open.set()
    await asyncio.gather(first, *rest)
    assert [len(batch) for batch in one.batches[:2]] == [1, 1]
    assert sorted(one.batches[2:]) == [[8], [8, 8], [40]]
    assert two.batches == [[8]]


async def test_closing_frees_the_queue_at_once(rig: Any, engine: Any, fake_text: Any, until: Any) -> None:
    bench = rig()
    engine.hold()
    stream = bench.scheduler.open(engine, PLAN, budget=64)
    await stream.submit(_texts(fake_text, *[30] * 100))
    await until(lambda: bench.scheduler.queued_texts == 96)
    stream.close()
    scheduler = bench.scheduler
    assert (scheduler.queued_texts, scheduler.tokens.used, scheduler.memory.used) == (0, 0, 0)
    assert scheduler.results.used == 0
    stream.close()
    engine.open.set()
    assert await bench.run(engine, PLAN, [4]) != {}
    assert len(engine.batches) <= 2, "the batch that waited for the device was computed for nobody"


async def test_a_cancelled_reader_frees_its_texts(rig: Any, engine: Any, until: Any) -> None:
    bench = rig()
    engine.hold()
    task = asyncio.create_task(bench.run(engine, PLAN, [30] * 50))
    await until(lambda: bench.scheduler.queued_texts == 46)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert bench.scheduler.queued_texts == bench.scheduler.tokens.used == 0
    engine.open.set()


async def test_a_full_queue_refuses_after_its_patience_and_says_when_to_retry(
    rig: Any, engine: Any, fake_text: Any, until: Any
) -> None:
    bench = rig(queue_tokens=100, queue_seconds=0.05)
    engine.hold()
    streams = [bench.scheduler.open(engine, PLAN, budget=64) for _ in range(2)]
    await streams[0].submit(_texts(fake_text, 60))
    await until(lambda: bench.scheduler.tokens.used == 0)  # with the device
    await streams[0].submit(_texts(fake_text, 60))
    await until(lambda: bench.scheduler.tokens.used == 0)  # behind it
    await streams[0].submit(_texts(fake_text, 60))
    with pytest.raises(LimitExceeded, match=r"room in the queue of 100 tokens within 0\.05 s, but 60") as caught:
        await streams[1].submit(_texts(fake_text, 50))
    assert caught.value.subject == "queue_tokens"
    assert caught.value.retry_after is not None
    assert caught.value.retry_after > 0
    for stream in streams:
        stream.close()
    engine.open.set()


async def test_who_waits_for_room_goes_on_when_there_is_some(rig: Any, engine: Any, fake_text: Any, until: Any) -> None:
    bench = rig(queue_tokens=100)
    engine.hold()
    first = bench.scheduler.open(engine, PLAN, budget=64)
    for _ in range(3):
        await first.submit(_texts(fake_text, 60))
        await until(lambda: bench.scheduler.tokens.used == 0 or bench.scheduler.queued_texts == 1)
    second = asyncio.create_task(bench.run(engine, PLAN, [50]))
    await until(lambda: bench.scheduler.open_streams == 2)
    assert not second.done()
    first.close()
    engine.open.set()
    assert len(await second) == 1


@pytest.mark.parametrize("room_came", [False, True])
async def test_a_wait_that_ends_as_room_comes_ends_by_its_own_reason(rig: Any, room_came: bool) -> None:
    scheduler = rig().scheduler
    waiting = asyncio.create_task(scheduler.freed(None))
    await asyncio.sleep(0)
    waiting.cancel()
    if room_came:  # after the wait was given up, and before the task that waited has run
        scheduler.released()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    late = asyncio.create_task(scheduler.freed(60))
    await asyncio.sleep(0)
    scheduler.released()
    await late


async def test_a_long_stream_waits_for_itself_without_limit(rig: Any, engine: Any, fake_text: Any) -> None:
    bench = rig(queue_tokens=100, queue_seconds=0.02)
    engine.hold()
    task = asyncio.create_task(bench.run(engine, PLAN, [20] * 50))
    await asyncio.sleep(0.1)
    assert not task.done()
    engine.open.set()
    assert len(await task) == 50


async def test_a_slow_reader_holds_no_more_than_its_share_and_blocks_nobody(
    rig: Any, engine: Any, fake_text: Any, until: Any
) -> None:
    size = bytes_of("t399", fake_text(20, 0), TOKENS, 4)
    bench = rig(result_bytes=100 * size)
    slow = bench.scheduler.open(engine, TOKENS, budget=64, client="slow")
    await slow.submit([(f"t{number:03}", text) for number, (_, text) in enumerate(_texts(fake_text, *[20] * 400))])
    slow.finish()
    await until(lambda: sum(map(len, engine.batches)) == 50)
    assert bench.scheduler.results.used == 50 * size
    answers = await bench.run(engine, TOKENS, [20] * 120, client="fast")
    assert len(answers) == 120
    assert bench.scheduler.results.used == 50 * size
    assert len(await bench.drain(slow)) == 400
    slow.close()


async def test_an_answer_larger_than_the_server_holds_is_refused(rig: Any, engine: Any, fake_text: Any) -> None:
    bench = rig(result_bytes=1000)
    stream = bench.scheduler.open(engine, TOKENS, budget=512)
    with pytest.raises(LimitExceeded, match=r"at most 1000 bytes a text, but text 't0' of 400 tokens needs 6[0-9]{3};"):
        await stream.submit(_texts(fake_text, 400))
    stream.close()


async def test_what_unread_answers_hold_counts_ids(rig: Any, engine: Any, fake_text: Any, until: Any) -> None:
    bench = rig(result_bytes=1 << 20)
    stream = bench.scheduler.open(engine, PLAN, budget=64)
    long = "x" * 100_000
    sending = asyncio.create_task(stream.submit([(f"{long}{number}", fake_text(3, number)) for number in range(50)]))
    await until(lambda: engine.batches)
    assert 500_000 < bench.scheduler.results.used <= 1 << 20
    assert sum(map(len, engine.batches)) <= 5, "five ids are half of the capacity, one reader's share"
    sending.cancel()
    stream.close()
    assert bench.scheduler.results.used == 0


def test_an_answer_of_few_tokens_is_not_taken_for_a_few_bytes(fake_text: Any) -> None:
    text = fake_text(3, 0)
    arrays = sum(each.nbytes for each in (text.ids, text.special, text.starts, text.ends))
    assert bytes_of("", text, PredictPlan(((),), (2,), 1), 4) >= 3 * 8 + arrays
    assert bytes_of("", text, EncodePlan((0,)), 4) >= 4 * 4 + 200


async def test_an_error_of_the_device_reaches_its_stream_only(
    rig: Any, engine: Any, fake_text: Any, until: Any
) -> None:
    bench = rig()
    engine.poison = {7000}
    engine.hold()
    blocker = asyncio.create_task(bench.run(engine, PLAN, [60, 60]))
    await until(lambda: engine.batches == [] and bench.scheduler.open_streams == 1)
    bad = bench.scheduler.open(engine, PLAN, budget=64, client="bad")
    await bad.submit([("bad", fake_text(8, 7))])
    good = asyncio.create_task(bench.run(engine, PLAN, [8, 8], client="good"))
    await until(lambda: bench.scheduler.open_streams == 3)
    engine.open.set()
    with pytest.raises(ValueError, match="poisoned"):
        await bad.next_block()
    bad.close()
    assert len(await good) == 2
    await blocker


async def test_a_failed_stream_raises_what_it_was_given(rig: Any, engine: Any) -> None:
    stream = rig().scheduler.open(engine, PLAN, budget=64)
    stream.fail(KeyError("first"))
    stream.fail(KeyError("second"))
    with pytest.raises(KeyError, match="first"):
        await stream.next_block()
    stream.close()


async def test_long_token_answers_are_cut_into_chunks(rig: Any, engine: Any, fake_text: Any) -> None:
    layers = EncodePlan(tuple(range(3)) * 100, Pooling.TOKEN)
    bench = rig()
    stream = bench.scheduler.open(engine, layers, budget=1024)
    await stream.submit(_texts(fake_text, 500, 10, 10))
    stream.finish()
    blocks = []
    while (block := await stream.next_block()) is not None:
        blocks.append(block)
    stream.close()
    long = next(block for block in blocks if len(block.chunks) > 1)
    sizes = [len(chunk.data) for chunk in long.chunks]
    assert sizes[:-1] == [CHUNK_BYTES] * (len(sizes) - 1)
    assert sum(sizes) == 500 * 300 * 4 * 4 == np.prod(long.shape) * 4
    assert [item.id for item in long.items] == ["t0"]
    assert (stream.answered, stream.tokens, stream.truncated) == (3, 520, 0)


async def test_small_answers_share_a_block(rig: Any, engine: Any, fake_text: Any) -> None:
    bench = rig()
    stream = bench.scheduler.open(engine, PLAN, budget=1000)
    await stream.submit(_texts(fake_text, *[10] * 100))
    stream.finish()
    block = await stream.next_block()
    assert len(block.items) == 100
    assert block.shape == (100, 2, 4)
    assert await stream.next_block() is None
    stream.close()


async def test_bfloat16_answers_round_to_nearest(rig: Any, engine: Any, fake_text: Any) -> None:
    wide = await rig().run(engine, TOKENS, [30, 40])
    narrow = await rig().run(engine, TOKENS, [30, 40], output="bfloat16")
    for index, array in wide.items():
        np.testing.assert_allclose(bf16_to_f32(narrow[index]), array, rtol=2**-8)


async def test_truncated_texts_and_times_are_counted(rig: Any, engine: Any, fake_text: Any) -> None:
    bench = rig()
    stream = bench.scheduler.open(engine, PLAN, budget=64)
    await stream.submit([("a", fake_text(9, truncated=True)), ("b", fake_text(9))])
    stream.finish()
    answers = await bench.drain(stream)
    assert (len(answers), stream.truncated, stream.tokens) == (2, 1, 18)
    assert stream.compute_seconds > 0
    assert stream.queue_seconds >= 0
    stream.close()
