"""What all services answer when they are asked what they offer: pages of names, with the options of each."""

from collections.abc import Iterable, Sequence
from typing import Any, Protocol, TypeVar

from babelscope.v1 import options_pb2

from services.runtime.options import OptionInfo
from services.runtime.paging import cut_page, read_page


class Named(Protocol):
    """A message with a name."""

    name: str


T = TypeVar("T", bound=Named)


def named_page(request: Any, entries: Iterable[T]) -> tuple[Sequence[T], str]:
    """A page of messages in the order of their names, and the token of the next page.

    Args:
        request: Message with `page_size` and `page_token`.
        entries: All messages, in any order.

    Raises:
        InvalidArgument: The size or the token is wrong.
    """
    size, after = read_page(request.page_size, request.page_token)
    return cut_page(sorted(entries, key=lambda entry: entry.name), size, after, lambda entry: (entry.name,))


def option_messages(options: Iterable[OptionInfo]) -> list[options_pb2.OptionInfo]:
    """The messages of options."""
    return [
        options_pb2.OptionInfo(
            name=each.name,
            summary=each.summary,
            default_value=each.default,
            required=each.required,
            type=each.type,
            choices=each.choices,
        )
        for each in options
    ]
