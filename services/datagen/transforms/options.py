"""Options of a transform: typed fields of a frozen dataclass, read from the strings of a request by one function."""

import contextlib
import math
import types
from collections.abc import Mapping
from dataclasses import MISSING, Field, dataclass, field, fields
from typing import Any, ClassVar, Literal, Protocol, TypeVar, get_args, get_origin, get_type_hints

from services.runtime.errors import InvalidArgument

_LARGEST = 2**63 - 1
_TRUE, _FALSE = ("true", "yes", "1"), ("false", "no", "0")


class OptionsType(Protocol):
    """A dataclass whose fields were made with `option`."""

    __dataclass_fields__: ClassVar[dict[str, Field[Any]]]


T = TypeVar("T", bound=OptionsType)


@dataclass(frozen=True, slots=True)
class OptionInfo:
    """What a user is told about one option.

    Attributes:
        name: Its name.
        summary: What it means, a sentence.
        default: Its default as one would write it; empty where it must be given.
        required: Whether it must be given.
    """

    name: str
    summary: str
    default: str
    required: bool


def option(summary: str, *, default: Any = MISSING, minimum: float | None = None, maximum: float | None = None) -> Any:
    """A field of an options dataclass.

    Args:
        summary: What it means, a sentence.
        default: Its default; it must be given in a request where this is left out.
        minimum: Smallest number allowed.
        maximum: Largest number allowed.
    """
    return field(default=default, metadata={"summary": summary, "minimum": minimum, "maximum": maximum})


def parse_options(cls: type[T], mapping: Mapping[str, str], *, step: int = 0) -> T:
    """Reads options from strings.

    Text is taken as it is; truth is true or false (yes, no, 1, 0); a tuple is separated by commas; a choice is one of
    its words.

    Args:
        cls: The dataclass; its fields are str, int, float, bool, Literal or tuples of these.
        mapping: The strings by name.
        step: Position of the transform in its pipeline, for the field's path in an error.

    Raises:
        InvalidArgument: An option is unknown, missing, or not of its type or range.
    """
    known = {one.name: one for one in fields(cls)}
    for key in mapping:
        if key not in known:
            names = ", ".join(known) or "no options"
            raise InvalidArgument(path(step, key), f"Expected one of {names}, but got {key!r}")
    for key, one in known.items():
        if one.default is MISSING and not mapping.get(key, "").strip():
            raise InvalidArgument(path(step, key), f"Expected `{key}` ({one.metadata['summary']}), but got none")
    types_ = get_type_hints(cls)
    values = {key: _value(path(step, key), key, types_[key], text) for key, text in mapping.items()}
    for key, value in values.items():
        if value == () and known[key].default is MISSING:
            raise InvalidArgument(path(step, key), f"Expected `{key}` to name at least one, but got {mapping[key]!r}")
        _check_range(path(step, key), known[key], value)
    return cls(**values)


def describe(cls: type[OptionsType]) -> tuple[OptionInfo, ...]:
    """The options of a transform, in the order of its dataclass."""
    return tuple(
        OptionInfo(
            name=one.name,
            summary=one.metadata["summary"],
            default="" if one.default is MISSING else _written(one.default),
            required=one.default is MISSING,
        )
        for one in fields(cls)
    )


def path(step: int, key: str) -> str:
    """The field of a request that holds an option."""
    return f"spec.steps[{step}].options[{key}]"


def _written(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, tuple):
        return ",".join(_written(item) for item in value)
    return f"{value:g}" if isinstance(value, float) else str(value)


def _value(where: str, key: str, kind: Any, text: str) -> Any:
    origin, arguments = get_origin(kind), get_args(kind)
    if origin is tuple:
        items = [item.strip() for item in text.split(",")]
        return tuple(_value(where, key, arguments[0], item) for item in items if item)
    if origin is Literal:
        if text not in arguments:
            raise InvalidArgument(where, f"Expected `{key}` to be one of {', '.join(arguments)}, but got {text!r}")
        return text
    if origin is types.UnionType:
        return _value(where, key, arguments[0], text) if text else None
    if kind is bool:
        if text.lower() not in (*_TRUE, *_FALSE):
            raise InvalidArgument(where, f"Expected `{key}` to be true or false, but got {text!r}")
        return text.lower() in _TRUE
    if kind in (int, float):
        return _number(where, key, kind, text)
    return text


def _number(where: str, key: str, kind: type[int] | type[float], text: str) -> int | float:
    number: int | float = math.nan
    with contextlib.suppress(ValueError):
        number = kind(text)
    if not -_LARGEST <= number <= _LARGEST:  # so NaN is refused too
        name = "a whole number" if kind is int else "a number"
        raise InvalidArgument(where, f"Expected `{key}` to be {name}, but got {text!r}")
    return number


def _check_range(where: str, one: Field[Any], value: Any) -> None:
    low, high = one.metadata["minimum"], one.metadata["maximum"]
    for number in value if isinstance(value, tuple) else (value,):
        if (low is not None and number < low) or (high is not None and number > high):
            allowed = f"within {low:g}..{high:g}" if high is not None else f"at least {low:g}"
            raise InvalidArgument(where, f"Expected `{one.name}` {allowed}, but got {number:g}")
