"""Fields of config.json that a model is built from: what each may be, and a refusal that names the one that is wrong.

transformers checks most types when it loads a configuration, but not all of them, and no sizes.
"""

import math
from collections.abc import Callable, Mapping
from typing import Any

Check = Callable[[Any], str]
"""A value to what was expected of it; empty where it is right."""

MOST = 1 << 24
"""Largest size accepted, far beyond any published model: larger ones are slips, and would exhaust the memory."""

MOST_LAYERS = 1024
"""Most layers of a model."""
MOST_LABELS = 1 << 16
"""Most labels of a checkpoint's head, for each of which transformers makes an entry when it reads the configuration."""


def whole(least: int, most: int = MOST) -> Check:
    """A whole number within bounds."""

    def check(value: Any) -> str:
        good = isinstance(value, int) and not isinstance(value, bool) and least <= value <= most
        return "" if good else f"a whole number within {least}..{most}"

    return check


def number(least: float, most: float, *, optional: bool = False) -> Check:
    """A finite number above `least` and at most `most`; or none, where that is allowed."""

    def check(value: Any) -> str:
        if optional and value is None:
            return ""
        real = isinstance(value, int | float) and not isinstance(value, bool)
        good = real and math.isfinite(value) and least < value <= most
        return "" if good else f"a number above {least:g} and at most {most:g}"

    return check


def truth(value: Any) -> str:
    """True or false."""
    return "" if isinstance(value, bool) else "true or false"


def deviation(value: Any) -> str:
    """A standard deviation; zero or none stands for transformers' own."""
    return "" if value == 0 and not isinstance(value, bool) else number(0.0, 1e6, optional=True)(value)


def refusal(config: Any, fields: Mapping[str, Check]) -> str:
    """What is wrong with the first wrong field; empty where all are right.

    Args:
        config: transformers' configuration object.
        fields: Their names and checks.
    """
    for name, check in fields.items():
        value = getattr(config, name, None)
        if expected := check(value):
            return f"Expected `{name}` in config.json to be {expected}, but got {value!r}"
    return ""


def heads_refusal(size: str, width: int, name: str, heads: int) -> str:
    """Why a width cannot be shared out among heads; empty where it can."""
    if width % heads:
        return f"Expected `{size}` in config.json to be a multiple of `{name}`, {heads}, but got {width}"
    return ""


def padding_refusal(padding: Any, vocabulary: int) -> str:
    """Why a padding token's id is wrong; empty where it is right or there is none."""
    if padding is None or not whole(0, vocabulary - 1)(padding):
        return ""
    return f"Expected `pad_token_id` in config.json within 0..{vocabulary - 1}, its vocabulary, but got {padding!r}"
