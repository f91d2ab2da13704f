"""One line that says how a number was made: `metric:cka|est:debiased|n:1000|...|v:0.1.0`.

The idea is sacreBLEU's (Post 2018): a number without its settings cannot be compared with another.
"""

from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from typing import Final


def _version() -> str:
    try:
        return version("babelscope")
    except PackageNotFoundError:  # a checkout that is not installed
        return "unknown"


VERSION: Final = _version()


def number(value: float) -> str:
    """A number in the fewest digits that tell it: `0.99`, `10`."""
    return f"{value:g}"


def signature(fields: Mapping[str, str | int | float]) -> str:
    """Joins settings to one line, the version last.

    Args:
        fields: Settings in order; empty values are left out. A `|` or a line break within a value becomes `_`.
    """
    parts = []
    for key, value in fields.items():
        text = number(value) if isinstance(value, float) else str(value)
        if text:
            parts.append(f"{key}:{text.translate(_FORBIDDEN)}")
    return "|".join([*parts, f"v:{VERSION}"])


_FORBIDDEN: Final = str.maketrans({"|": "_", "\n": "_", "\r": "_"})
