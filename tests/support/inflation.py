"""Valid requests made as large as a message may be, one field at a time."""

from collections.abc import Iterator, Sequence
from typing import Any

from google.protobuf.descriptor import FieldDescriptor as Field
from google.protobuf.message import Message

from tests.support.mutation import Request

LONG = (4 << 20) - 4096
"""Bytes of a message that servers still take."""


def inflated(requests: Sequence[Request]) -> Iterator[tuple[str, Request]]:
    """Yields each request with each of its texts and lists in turn filled up, and the path of what was."""
    for method, messages in requests:
        for place, message in enumerate(messages):
            for path in _paths(message, ()):
                copied = [_copy(each) for each in messages]
                _fill(copied[place], path)
                if copied[place].ByteSize() <= LONG + 2048:
                    yield f"{method}[{place}].{'.'.join(map(str, path))}", (method, copied)


def _copy(message: Message) -> Any:
    copied = type(message)()
    copied.CopyFrom(message)
    return copied


def _paths(message: Any, above: tuple[str | int, ...]) -> Iterator[tuple[str | int, ...]]:
    """Paths of texts and lists that are set; of a list's messages the first stands for all."""
    for field, value in message.ListFields():
        path = (*above, field.name)
        if field.message_type is not None and field.message_type.GetOptions().map_entry:
            yield path
        elif field.is_repeated:
            yield path
            if field.message_type is not None:
                yield from _paths(value[0], (*path, 0))
        elif field.message_type is not None:
            yield from _paths(value, path)
        elif field.cpp_type == Field.CPPTYPE_STRING:
            yield path


def _fill(message: Any, path: tuple[str | int, ...]) -> None:
    """Fills the field at a path."""
    target: Any = message
    for part in path[:-1]:
        target = target[part] if isinstance(part, int) else getattr(target, part)
    name = str(path[-1])
    field = target.DESCRIPTOR.fields_by_name[name]
    value = getattr(target, name)
    room = LONG - message.ByteSize()
    if field.message_type is not None and field.message_type.GetOptions().map_entry:
        for number in range(room // 16):
            value[f"{number:x}"] = "x"
    elif field.is_repeated:
        one = value[0]
        size = len(str(one).encode()) if field.message_type is None else one.ByteSize() + 12
        for number in range(room // (size + 8)):
            if field.message_type is None:
                value.append(f"{one}{number:x}" if isinstance(one, str) else one)
                continue
            value.add().CopyFrom(one)
            for key in ("id", "name", "source_id"):
                if key in one.DESCRIPTOR.fields_by_name:
                    setattr(value[-1], key, f"{getattr(one, key)}{number:x}")
    elif field.type == Field.TYPE_BYTES:
        setattr(target, name, (value * (room // max(len(value), 1)))[:room])
    else:
        setattr(target, name, ("a " * (room // 2))[:room])
