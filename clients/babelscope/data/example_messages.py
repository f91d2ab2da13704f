"""Examples as messages of the contract, and back; and the messages that carry them."""

from collections.abc import Iterable, Iterator
from typing import Final

from babelscope.data.examples import Answer, Example, Question, Sentence, TextPair, Word
from babelscope.v1 import datagen_pb2, text_pb2

BATCH_EXAMPLES: Final = 512
BATCH_BYTES: Final = 512 << 10


def to_proto(example: Example) -> text_pb2.Example:
    """The message of an example; `line` and `paragraph`, which tell of a file, are left out.

    Raises:
        ValueError: A text cannot be written as UTF-8 (a lone surrogate), or a number does not fit; names the example.
    """
    try:
        return _message(example)
    except UnicodeEncodeError as error:
        raise ValueError(f"Expected texts that UTF-8 can hold, but example {example.id!r} has {error.reason}") from None
    except (TypeError, ValueError) as error:
        raise ValueError(f"Expected an example that fits the contract, but {example.id!r} does not: {error}") from error


def from_proto(message: text_pb2.Example) -> Example:
    """The example of a message; running text where it has no content."""
    attributes = dict(sorted(message.attributes.items()))
    match message.WhichOneof("content"):
        case "sentence":
            content: str | Sentence | TextPair | Question = _sentence(message.sentence)
        case "pair":
            content = TextPair(message.pair.premise, message.pair.hypothesis, message.pair.label)
        case "question":
            answers = tuple([Answer(answer.text, answer.start) for answer in message.question.answers])
            content = Question(message.question.context, message.question.question, answers)
        case _:
            content = message.text
    return Example(message.id, content, message.language, attributes=attributes)


def batches(examples: Iterable[Example]) -> Iterator[datagen_pb2.Examples]:
    """Messages of at most `BATCH_EXAMPLES` examples, and of `BATCH_BYTES` where no single one is larger."""
    held: list[text_pb2.Example] = []
    size = 0
    for example in examples:
        message = to_proto(example)
        length = message.ByteSize()
        if held and (size + length > BATCH_BYTES or len(held) >= BATCH_EXAMPLES):
            yield datagen_pb2.Examples(examples=held)
            held, size = [], 0
        held.append(message)
        size += length
    if held:
        yield datagen_pb2.Examples(examples=held)


def _message(example: Example) -> text_pb2.Example:
    message = text_pb2.Example(id=example.id, language=example.language, attributes=dict(example.attributes))
    match example.content:
        case str() as text:
            message.text = text
        case Sentence() as sentence:
            words = [
                text_pb2.Word(
                    form=word.form,
                    upos=word.upos,
                    head=word.head,
                    deprel=word.deprel,
                    ner=word.ner,
                    lemma=word.lemma,
                    feats=word.feats,
                    space_after=word.space_after,
                    xpos=word.xpos,
                    deps=word.deps,
                    misc=word.misc,
                )
                for word in sentence.words
            ]
            message.sentence.CopyFrom(text_pb2.Sentence(words=words, text=sentence.text))
        case TextPair() as pair:
            message.pair.CopyFrom(text_pb2.TextPair(premise=pair.premise, hypothesis=pair.hypothesis, label=pair.label))
        case Question() as question:
            answers = [text_pb2.Answer(text=answer.text, start=answer.start) for answer in question.answers]
            message.question.CopyFrom(
                text_pb2.Question(context=question.context, question=question.question, answers=answers)
            )
    return message


def _sentence(message: text_pb2.Sentence) -> Sentence:
    words = tuple(
        [
            Word(
                word.form,
                word.upos,
                word.head if word.HasField("head") else None,
                word.deprel,
                word.ner,
                word.lemma,
                word.feats,
                word.space_after,
                word.xpos,
                word.deps,
                word.misc,
            )
            for word in message.words
        ]
    )
    return Sentence(words, message.text)
