"""Small pieces of HTML, everything escaped."""

from collections.abc import Iterable, Sequence
from html import escape


def facts(pairs: Iterable[tuple[str, str]]) -> str:
    """A list of names with their values."""
    body = "".join(f"<dt>{escape(name)}</dt><dd>{escape(value)}</dd>" for name, value in pairs)
    return f'<dl class="facts">{body}</dl>'


def table(
    caption: str, head: Sequence[str], body: Iterable[Sequence[str]], *, words: frozenset[int] = frozenset()
) -> str:
    """A table whose first cell of a row names the row.

    Args:
        caption: What it shows.
        head: Names of the columns.
        body: Cells by row.
        words: Columns that hold words: left-aligned, broken where long.
    """
    heads = "".join(f'<th scope="col"{_class(at, words)}>{escape(name)}</th>' for at, name in enumerate(head))
    rows = []
    for first, *cells in body:
        shown = "".join(f"<td{_class(at, words)}>{escape(cell)}</td>" for at, cell in enumerate(cells, start=1))
        rows.append(f'<tr><th scope="row">{escape(first)}</th>{shown}</tr>')
    return (
        f'<div class="scroll"><table><caption>{escape(caption)}</caption><thead><tr>{heads}</tr></thead>'
        f"<tbody>{''.join(rows)}</tbody></table></div>"
    )


def folded(summary: str, content: str) -> str:
    """Content that shows when asked for."""
    return f"<details><summary>{escape(summary)}</summary>{content}</details>"


def _class(at: int, words: frozenset[int]) -> str:
    return ' class="text"' if at in words else ""
