"""Valid requests made wrong in one to four places, so that they get deep before they fail. The seed determines all."""

import math
import random
from collections.abc import Callable, Sequence
from typing import Any

from google.protobuf.descriptor import FieldDescriptor as Field
from google.protobuf.message import Message

Request = tuple[str, list[Message]]
"""A method's name, and the messages sent to it."""

FLOATS = (0.0, -0.0, -1.0, 1e-320, 1e-38, 1e38, 1e308, -1e308, math.nan, math.inf, -math.inf)
STRINGS = (
    "", " ", "\0", "\n", "..", "../../etc/passwd", "/dev/zero", "a/b", "a" * 300, "é" * 200, "0", "-1", "1e400", "nan",
    "true", "en", "zh-Hant", "x=y,z", "{", "%s", "a\tb", "\ufeffa", "A\u030a", "\u202e", "\N{GRINNING FACE}",
)  # fmt: skip


def mutated(requests: Sequence[Request], seed: int) -> Request:
    """One of the requests, changed."""
    rng = random.Random(seed)
    method, valid = rng.choice(requests)
    messages = [_copy(message) for message in valid]
    for _ in range(rng.choice((1, 1, 1, 2, 2, 3, 4))):
        if len(messages) > 1 and rng.random() < 0.15:
            _shuffle(messages, rng)
        else:
            _change(rng.choice(messages), rng)
    return method, messages


def _copy(message: Message) -> Message:
    copied = type(message)()
    copied.CopyFrom(message)
    return copied


def _shuffle(messages: list[Message], rng: random.Random) -> None:
    """Changes the stream itself."""
    at = rng.randrange(len(messages))
    change = rng.randrange(4)
    if change == 0:
        del messages[at]
    elif change == 1:
        messages.insert(at, _copy(messages[at]))
    elif change == 2:
        messages.append(messages.pop(at))
    else:
        messages.insert(at, type(messages[at])())


def _change(message: Any, rng: random.Random) -> None:
    """Changes one field of a message, or of one within it."""
    inner = [part for part in _messages(message) if part.DESCRIPTOR.fields]
    target: Any = rng.choice(inner)
    present = [field for field, _ in target.ListFields()]
    fields = present if present and rng.random() < 0.8 else list(target.DESCRIPTOR.fields)
    field = rng.choice(fields)
    if field.is_repeated and field.message_type is not None and field.message_type.GetOptions().map_entry:
        _change_map(getattr(target, field.name), field, rng)
    elif field.is_repeated:
        _change_list(getattr(target, field.name), field, rng)
    elif field.message_type is not None:
        if rng.random() < 0.5 and target.HasField(field.name):
            target.ClearField(field.name)
        else:
            getattr(target, field.name).SetInParent()
    else:
        setattr(target, field.name, _value(field, getattr(target, field.name), rng))


def _messages(message: Any) -> list[Any]:
    """A message and all those within it, but for entries of maps."""
    found = [message]
    for field, value in message.ListFields():
        if field.message_type is None or field.message_type.GetOptions().map_entry:
            continue
        for part in value if field.is_repeated else [value]:
            found += _messages(part)
    return found


def _change_map(values: Any, field: Field, rng: random.Random) -> None:
    name = rng.choice([*values, *STRINGS])
    if name in values and rng.random() < 0.3:
        del values[name]
    elif field.message_type.fields_by_name["value"].message_type is None:
        value = field.message_type.fields_by_name["value"]
        values[name] = _value(value, values.get(name, _zero(value)), rng)


def _change_list(values: Any, field: Field, rng: random.Random) -> None:
    change = rng.randrange(5)
    at = rng.randrange(len(values)) if values else 0
    if change == 0 and values:
        del values[at]
    elif change == 1 and values:
        values.extend([values[at]] * rng.choice((1, 1, 2, 50)))
    elif change == 2 and values:
        del values[:]
    elif field.message_type is not None:
        if values and change == 3:
            _change(values[at], rng)
        else:
            values.add()
    elif values and change == 3:
        values[at] = _value(field, values[at], rng)
    else:
        values.append(_value(field, field.default_value or _zero(field), rng))


def _zero(field: Field) -> Any:
    return {Field.CPPTYPE_STRING: b"" if field.type == Field.TYPE_BYTES else ""}.get(field.cpp_type, 0)


def _value(field: Field, before: Any, rng: random.Random) -> Any:
    """Another value of a field's type."""
    if field.type == Field.TYPE_BYTES:
        return _bytes(before, rng)
    changes: dict[int, Callable[[], Any]] = {
        Field.CPPTYPE_STRING: lambda: rng.choice((*STRINGS, before + "x", before[1:], before * 2, before.upper())),
        Field.CPPTYPE_BOOL: lambda: not before,
        Field.CPPTYPE_DOUBLE: lambda: rng.choice((*FLOATS, -before)),
        Field.CPPTYPE_FLOAT: lambda: rng.choice((*FLOATS, -before)),
        Field.CPPTYPE_ENUM: lambda: rng.choice((-1, 0, 1, 2, 3, 99, 2**31 - 1)),
        Field.CPPTYPE_INT32: lambda: rng.choice((-(2**31), -1, 0, 1, 2, 3, 7, 1000, 2**31 - 1)),
        Field.CPPTYPE_INT64: lambda: rng.choice((-(2**63), -1, 0, 1, 2, 3, 2**31, 2**53, 2**63 - 1)),
        Field.CPPTYPE_UINT32: lambda: rng.choice((0, 1, 2, 2**32 - 1)),
        Field.CPPTYPE_UINT64: lambda: rng.choice((0, 1, 2, 2**53, 2**64 - 1)),
    }
    return changes[field.cpp_type]()


def _bytes(before: bytes, rng: random.Random) -> bytes:
    data = bytearray(before)
    change = rng.randrange(4)
    if change == 0 and data:
        del data[rng.randrange(len(data)) :]
    elif change == 1:
        data += bytes(rng.randrange(1, 9))
    elif data:
        for _ in range(rng.choice((1, 4, 16))):
            data[rng.randrange(len(data))] = rng.choice((0, 0x7F, 0x80, 0xFF, rng.randrange(256)))
    return bytes(data)
