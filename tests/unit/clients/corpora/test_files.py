"""Bytes to lines: gzip by magic, UTF-8 held strictly, LF alone ends a line."""

import gzip
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import pytest
from babelscope.corpora.files import read_lines, read_whole
from babelscope.errors import CorpusError
from hypothesis import given
from hypothesis import strategies as st

# Everything but LF and a CR at a line's end may stand in a line.
LINES = st.lists(
    st.text(st.characters(codec="utf-8", exclude_characters="\n"), min_size=1).filter(lambda line: line[-1] != "\r"),
    min_size=1,
)


@given(lines=LINES, packed=st.booleans(), ended=st.booleans(), crlf=st.booleans())
def test_lines_survive_whatever_they_hold(
    tmp_path_factory: pytest.TempPathFactory, lines: list[str], packed: bool, ended: bool, crlf: bool
) -> None:
    end = "\r\n" if crlf else "\n"
    data = (end.join(lines) + (end if ended else "")).encode()
    path = tmp_path_factory.mktemp("lines") / "a"
    path.write_bytes(gzip.compress(data) if packed else data)
    expected = [lines[0].removeprefix("\ufeff"), *lines[1:]]
    assert list(read_lines(path)) == list(enumerate(expected, start=1))


@pytest.mark.parametrize("name", ["a.txt", "a.txt.gz"])
@pytest.mark.parametrize("pack", [False, True])
def test_gzip_is_told_by_its_bytes_not_by_its_name(tmp_path: Path, name: str, pack: bool) -> None:
    path = tmp_path / name
    path.write_bytes(gzip.compress(b"one\ntwo") if pack else b"one\ntwo")
    assert list(read_lines(path)) == [(1, "one"), (2, "two")]
    assert read_whole(path) == "one\ntwo"


def test_a_byte_order_mark_opens_a_file_and_is_text_elsewhere(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes("\ufeffone\n\ufefftwo".encode())
    assert list(read_lines(path)) == [(1, "one"), (2, "\ufefftwo")]
    assert read_whole(path) == "one\n\ufefftwo"


@pytest.mark.parametrize("read", [lambda path: list(read_lines(path)), read_whole])
def test_bytes_that_are_no_utf8_are_named_with_their_line(tmp_path: Path, read: object) -> None:
    path = tmp_path / "latin1.txt"
    path.write_bytes(b"one\ntwo\nna\xefve\n")
    with pytest.raises(CorpusError, match="byte 0xef") as caught:
        read(path)  # type: ignore[operator]
    assert caught.value.path == path
    assert caught.value.line == 3


@pytest.mark.parametrize("damage", [lambda data: data[:-12], lambda data: data[:30] + b"\0\0\0\0" + data[34:]])
def test_damaged_gzip_is_refused(tmp_path: Path, damage: object) -> None:
    path = tmp_path / "a.gz"
    path.write_bytes(damage(gzip.compress(bytes(range(256)) * 20)))  # type: ignore[operator]
    with pytest.raises(CorpusError, match="gzip"):
        read_whole(path)


@pytest.mark.parametrize("name", ["absent.txt", "."])
def test_a_file_that_cannot_be_read_is_named(tmp_path: Path, name: str) -> None:
    with pytest.raises(CorpusError, match="readable file"):
        list(read_lines(tmp_path / name))


@pytest.mark.parametrize("read", [lambda path: list(read_lines(path)), read_whole])
def test_a_packed_file_of_nothing_but_zeros_is_refused_while_it_is_unpacked(
    read: Callable[[Path], object], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("babelscope.corpora.files.LONGEST_LINE", 1 << 20)
    monkeypatch.setattr("babelscope.corpora.files.LARGEST_WHOLE", 1 << 20)
    path = tmp_path / "bomb.gz"
    with gzip.open(path, "wb") as file:
        for _ in range(64):
            file.write(bytes(1 << 20))
    assert path.stat().st_size < 1 << 17
    tracemalloc.start()
    try:
        with pytest.raises(CorpusError, match="at most 1048576 bytes"):
            read(path)
        assert tracemalloc.get_traced_memory()[1] < 16 << 20
    finally:
        tracemalloc.stop()


def test_a_line_may_be_as_long_as_the_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("babelscope.corpora.files.LONGEST_LINE", 8)
    path = tmp_path / "lines.txt"
    path.write_bytes(b"1234567\n1234567\n12345678")
    assert [line for _, line in read_lines(path)] == ["1234567", "1234567", "12345678"]
