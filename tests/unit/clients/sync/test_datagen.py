"""The datagen client without a server: steps from strings, messages and back, streams that go on after a break."""

import pytest
from babelscope import DataCorrupted, Example, Sentence, Step, Word
from babelscope.calls.datagen import Job
from babelscope.data.example_messages import BATCH_BYTES, BATCH_EXAMPLES, batches, from_proto, to_proto
from babelscope.transport.failure import Failure
from babelscope.v1 import datagen_pb2

EXAMPLES = [Example(str(number), f"text {number}", "en") for number in range(10)]


@pytest.mark.parametrize(
    ("text", "step"),
    [
        ("deduplicate", Step("deduplicate", {})),
        ("subsample:size=3", Step("subsample", {"size": "3"})),
        ("a:k=x,y,l=z=1", Step("a", {"k": "x,y", "l": "z=1"})),
        ("a:k=", Step("a", {"k": ""})),
        (
            "code_switch:dictionary=d.tsv,languages=zh,fr",
            Step("code_switch", {"dictionary": "d.tsv", "languages": "zh,fr"}),
        ),
        ('code_switch:languages="zh,fr",rule=hsu', Step("code_switch", {"languages": "zh,fr", "rule": "hsu"})),
        ('a:k="x,l=y",l=1', Step("a", {"k": "x,l=y", "l": "1"})),
        ('a:k=x,"l=y",m="=",n=""', Step("a", {"k": "x,l=y", "m": "=", "n": ""})),
        ('a:k="say ""hm"", so"', Step("a", {"k": 'say "hm", so'})),
        ('a:k=5" wide', Step("a", {"k": '5" wide'})),
        ("code_switch:dictionary=C:/d,languages=zh", Step("code_switch", {"dictionary": "C:/d", "languages": "zh"})),
    ],
)
def test_steps_from_strings(text: str, step: Step) -> None:
    assert Step.parse(text) == step


@pytest.mark.parametrize("text", ["", ":k=v", "a:v", "a:k=1,k=2", "a:=v", 'a:k="x', 'a:k="x"y', 'a:"k"=v'])
def test_what_is_no_step_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="Expected"):
        Step.parse(text)


def test_a_word_without_a_head_is_no_root() -> None:
    words = (Word("a", head=None), Word("b", head=0), Word("c", head=2, space_after=False))
    example = Example("s", Sentence(words, "a bc"), "en", attributes={"split": "dev"})
    assert from_proto(to_proto(example)) == example


def test_what_does_not_fit_the_contract_is_named() -> None:
    with pytest.raises(ValueError, match="'q'"):
        to_proto(Example("q", Sentence((Word("a", head=1 << 40),), "a")))
    with pytest.raises(ValueError, match="UTF-8"):
        to_proto(Example("q", "\udc80"))


def test_messages_are_bounded() -> None:
    small = list(batches([Example(str(number), "x") for number in range(2 * BATCH_EXAMPLES + 1)]))
    assert [len(each.examples) for each in small] == [BATCH_EXAMPLES, BATCH_EXAMPLES, 1]
    large = list(batches([Example(str(number), "x" * (BATCH_BYTES // 2)) for number in range(4)]))
    assert [len(each.examples) for each in large] == [1, 1, 1, 1]
    assert not list(batches([]))


def response(examples: list[Example]) -> datagen_pb2.GetDatasetResponse:
    return datagen_pb2.GetDatasetResponse(examples=[to_proto(example) for example in examples])


def test_another_attempt_leaves_out_what_was_given() -> None:
    job = Job("GetDataset", "read", datagen_pb2.GetDatasetRequest())
    job.begin()
    found = job.receive(response(EXAMPLES[:4]))
    job.begin()  # the stream broke, and comes again in other portions
    for portion in (EXAMPLES[:3], EXAMPLES[3:6]):
        found += job.receive(response(portion))
    job.begin()
    found += job.receive(response(EXAMPLES))
    job.finish()
    assert found == EXAMPLES


def test_a_stream_that_is_gone_once_read_is_not_sent_again() -> None:
    kind = datagen_pb2.TransformRequest
    assert Job("Transform", "", None, examples=EXAMPLES, message=kind).repeatable
    assert not Job("Transform", "", None, examples=iter(EXAMPLES), message=kind).repeatable


def test_an_answer_without_its_report_is_cut_short() -> None:
    with pytest.raises(DataCorrupted, match="report"):
        Job("Transform", "", None, ends=True).finish()


def test_a_failing_source_cancels_its_call() -> None:
    class Call:
        cancelled = False

        def cancel(self) -> None:
            self.cancelled = True

    def broken():  # type: ignore[no-untyped-def]
        yield 1
        raise OSError("gone")

    failure, call = Failure(), Call()
    failure.of(call)
    assert list(failure.guard(broken())) == [1]
    assert call.cancelled
    with pytest.raises(OSError, match="gone"):
        failure.check()
