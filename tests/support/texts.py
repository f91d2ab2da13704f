"""Another text in place of words, wherever they stand in a value."""

import dataclasses
import re
from collections.abc import Mapping
from typing import Any


def with_text(value: Any, text: str, words: tuple[str, ...]) -> Any:
    """The same value, every one of the words replaced by a text, in keys, fields and lists alike."""
    if isinstance(value, str):
        return re.sub("|".join(map(re.escape, words)), lambda _: text, value)
    if isinstance(value, Mapping):
        return {with_text(key, text, words): with_text(each, text, words) for key, each in value.items()}
    if isinstance(value, tuple | list):
        return type(value)(with_text(each, text, words) for each in value)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = dataclasses.fields(value)
        return dataclasses.replace(
            value, **{field.name: with_text(getattr(value, field.name), text, words) for field in fields}
        )
    return value
