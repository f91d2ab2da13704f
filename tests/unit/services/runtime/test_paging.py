import base64

import pytest

from services.runtime.errors import InvalidArgument
from services.runtime.paging import DEFAULT_PAGE, LARGEST_PAGE, cut_page, read_page

NAMES = [(f"name {number:03}é",) for number in range(250)]


def _all(size: int) -> list[tuple[str]]:
    entries: list[tuple[str]] = []
    token = ""
    while True:
        length, after = read_page(size, token)
        page, token = cut_page(NAMES, length, after, key=lambda name: name)
        assert len(page) <= length
        entries += page
        if not token:
            return entries


@pytest.mark.parametrize("size", [0, 1, 7, 250, 1000])
def test_pages_join_to_the_whole(size: int) -> None:
    assert _all(size) == NAMES


def test_an_empty_list_is_one_page() -> None:
    assert cut_page([], 10, (), key=lambda name: name) == ([], "")


def test_a_page_begins_behind_an_entry_that_has_gone() -> None:
    _, after = read_page(1, cut_page(NAMES, 3, (), key=lambda name: name)[1])
    page, _ = cut_page(NAMES[:2] + NAMES[3:], 1, after, key=lambda name: name)
    assert page == [NAMES[3]]


def test_sizes_have_a_default_and_a_ceiling() -> None:
    assert read_page(0, "") == (DEFAULT_PAGE, ())
    assert read_page(10**6, "") == (LARGEST_PAGE, ())
    with pytest.raises(InvalidArgument, match=r"page_size: Expected `page_size` within 0\.\.1000, but got -1"):
        read_page(-1, "")


@pytest.mark.parametrize(
    "token",
    ["nonsense", "é", "eyJhIjogMX0=", "WzFd", "!!!!", "WyJhIl0=!", "Wy!JhIl0=", "WyJhIl0=\0", "WyAiYSJd", "WyJhIl0"],
)
def test_tokens_of_no_page_are_refused(token: str) -> None:
    with pytest.raises(InvalidArgument, match="page_token: Expected the `next_page_token`"):
        read_page(10, token)


def test_a_token_of_another_list_is_refused() -> None:
    assert read_page(10, "WyJhIl0=") == (10, ("a",))
    for after in (("name 003é", "b"), ("name 003é", "", "")):
        with pytest.raises(InvalidArgument, match=r"page_token: Expected .* got that of another list"):
            cut_page(NAMES, 10, after, key=lambda name: name)


@pytest.mark.parametrize(
    "text", ["[" * 100_000, "[" * 5_000, '["\\ud800"]', "[]", '["a", ["b"]]', '["' + "x" * 9000 + '"]']
)
def test_tokens_that_break_a_parser_are_refused(text: str) -> None:
    with pytest.raises(InvalidArgument, match="page_token: Expected the `next_page_token`"):
        read_page(10, base64.urlsafe_b64encode(text.encode()).decode())
