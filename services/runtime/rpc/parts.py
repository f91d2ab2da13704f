"""How many messages lie within a message, told from its bytes before it is parsed.

A part of two bytes becomes an object of a hundred and more: 4 MB of empty words take 340 MB, and hold Python's lock for
as long as it takes to make them. Parts are therefore counted before there are any.
"""

from typing import Any, Final

PART_BYTES: Final = 192
"""Bytes of a part in memory beside its texts and numbers, about: the largest kinds have 170 to 260."""

_FEW: Final = 1 << 14
"""Parts that are not worth an exact count."""
_MOST_SHIFT: Final = 63
"""Shift of a number's tenth byte, after which no parser reads on."""
_VARINT, _FIXED64, _DELIMITED, _GROUP, _GROUP_END, _FIXED32 = range(6)


class Parts:
    """Counts the parts of one kind of message.

    Args:
        descriptor: Descriptor of the kind.
    """

    def __init__(self, descriptor: Any) -> None:
        self._descriptor = descriptor
        self._within: dict[Any, dict[int, Any]] = {}
        waiting = [descriptor]
        while waiting:
            kind = waiting.pop()
            if kind not in self._within:
                fields = {each.number: each.message_type for each in kind.fields if each.message_type is not None}
                self._within[kind] = fields
                waiting += fields.values()
        # The first byte of a part's tag. A tag may be longer than it need be, and then has its highest bit set.
        tags = {number << 3 | _DELIMITED for fields in self._within.values() for number in fields}
        self._tags = bytes({tag & 0x7F | more for tag in tags for more in (0x00, 0x80)})

    def count(self, data: bytes, most: int) -> int:
        """Parts in a message at any depth.

        Args:
            data: Bytes of the message. Where they are no message, what can be read of them counts.
            most: Number after which the count ends.

        Returns:
            Their number, or one that is too large where it makes no difference: a byte that looks like the beginning
            of a part is one, unless there are many.
        """
        if not self._tags:
            return 0
        highest = len(data) - len(data.translate(None, self._tags))
        return highest if highest <= min(_FEW, most) else self._walk(data, most)

    def _walk(self, data: bytes, most: int) -> int:
        """The exact number, by reading the tags one after the other."""
        found, at = 0, 0
        stack: list[tuple[dict[int, Any], int]] = []
        fields, end = self._within[self._descriptor], len(data)
        try:
            while True:
                while at >= end:
                    if not stack:
                        return found
                    fields, end = stack.pop()
                tag = data[at]
                at += 1
                if tag > 0x7F:
                    tag, at = _varint(data, at - 1)
                wire = tag & 7
                if wire == _DELIMITED:
                    length = data[at]
                    at += 1
                    if length > 0x7F:
                        length, at = _varint(data, at - 1)
                    kind = fields.get(tag >> 3)
                    if kind is None:
                        at += length
                        continue
                    found += 1
                    if found > most:
                        return found
                    if length:
                        stack.append((fields, end))
                        fields, end = self._within[kind], at + length
                elif wire == _VARINT:
                    while data[at] > 0x7F:
                        at += 1
                    at += 1
                elif wire == _FIXED64:
                    at += 8
                elif wire == _FIXED32:
                    at += 4
                elif wire not in (_GROUP, _GROUP_END):
                    return found
        except IndexError:
            return found


def _varint(data: bytes, at: int) -> tuple[int, int]:
    """A number of several bytes, and the place after it.

    Raises:
        IndexError: The bytes end before it does, or it is longer than any number: to read on would take time that
            grows with the square of its length.
    """
    value = shift = 0
    while shift <= _MOST_SHIFT:
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7
    raise IndexError
