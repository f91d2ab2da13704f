"""Lists in pages: the token of the next page is the key of the last entry."""

import base64
import binascii
import json
from bisect import bisect_right
from collections.abc import Callable, Sequence
from typing import Final, TypeVar

from services.runtime.errors import InvalidArgument

DEFAULT_PAGE: Final = 100
LARGEST_PAGE: Final = 1000
_LONGEST_TOKEN: Final = 8192
_MOST_PARTS: Final = 8
OF_ANOTHER_LIST: Final = "Expected the `next_page_token` of a page before, but got that of another list"

T = TypeVar("T")
Key = tuple[str, ...]


def read_page(page_size: int, page_token: str) -> tuple[int, Key]:
    """The size of a page, and the key after which it begins.

    Raises:
        InvalidArgument: A negative size, or a token that no page gave.
    """
    if page_size < 0:
        raise InvalidArgument("page_size", f"Expected `page_size` within 0..{LARGEST_PAGE}, but got {page_size}")
    if not page_token:
        return min(page_size or DEFAULT_PAGE, LARGEST_PAGE), ()
    try:
        if len(page_token) > _LONGEST_TOKEN:
            raise ValueError(f"a token of {len(page_token)} characters")
        key = json.loads(base64.urlsafe_b64decode(page_token.encode("ascii")))
    except (binascii.Error, ValueError, RecursionError):
        key = None
    if (
        not isinstance(key, list)
        or not 1 <= len(key) <= _MOST_PARTS
        or not all(isinstance(part, str) and _is_text(part) for part in key)
        or token_of(tuple(key)) != page_token  # the decoder passes over what is no character of it
    ):
        raise InvalidArgument("page_token", "Expected the `next_page_token` of a page before, but got something else")
    return min(page_size or DEFAULT_PAGE, LARGEST_PAGE), tuple(key)


def _is_text(part: str) -> bool:
    """Whether a string can be written as UTF-8: JSON's escapes may hold half of a surrogate pair."""
    return not any("\ud800" <= character <= "\udfff" for character in part)


def cut_page(entries: Sequence[T], size: int, after: Key, key: Callable[[T], Key]) -> tuple[Sequence[T], str]:
    """One page and the token of the next, empty on the last.

    Args:
        entries: All entries, sorted by `key`.
        size: Entries a page.
        after: The page begins behind this key.
        key: An entry's place in the order.

    Raises:
        InvalidArgument: The key is that of another list.
    """
    if after and entries and len(after) != len(key(entries[0])):
        raise InvalidArgument("page_token", OF_ANOTHER_LIST)
    first = bisect_right(entries, after, key=key) if after else 0
    page = entries[first : first + size]
    if first + size >= len(entries):
        return page, ""
    return page, token_of(key(page[-1]))


def token_of(after: Key) -> str:
    """The token of the page that begins behind a key."""
    return base64.urlsafe_b64encode(json.dumps(after, ensure_ascii=False).encode("utf-8")).decode("ascii")
