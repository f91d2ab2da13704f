"""Options of methods: fields of a frozen dataclass that say what they take, and how they are read from a request."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import Field, field, fields
from typing import Any, Final, NoReturn

from services.runtime.errors import InvalidArgument
from services.runtime.suggestions import unknown

_FIELD: Final = "spec.options[{}]"
_TRUTHS: Final = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}


def option(
    default: Any,
    summary: str,
    *,
    least: float | None = None,
    most: float | None = None,
    choices: Sequence[str] = (),
) -> Any:
    """A field of a dataclass of options.

    Args:
        default: Its type (bool, int, float or str) is the option's.
        summary: What it does, a sentence.
        least: Of a number.
        most: Of a number.
        choices: Of a string; any where empty.
    """
    return field(
        default=default, metadata={"summary": summary, "least": least, "most": most, "choices": tuple(choices)}
    )


def read(kinds: Sequence[type[Any]], given: Mapping[str, str], owner: str) -> list[Any]:
    """Reads options from strings.

    Args:
        kinds: Dataclasses of options, whose names do not meet.
        given: Values by name.
        owner: Whose options they are, for the error.

    Returns:
        One instance a dataclass.

    Raises:
        InvalidArgument: There is no such option, or its value is wrong.
    """
    names = [each.name for kind in kinds for each in fields(kind)]
    for key in given:
        if key not in names:
            raise unknown(_FIELD.format(key[:80]), f"an option of {owner}", key, names)
    return [
        kind(**{each.name: _value(each, given[each.name]) for each in fields(kind) if each.name in given})
        for kind in kinds
    ]


def _value(each: Field[Any], text: str) -> Any:
    """One value."""
    if isinstance(each.default, bool):
        if text.lower() not in _TRUTHS:
            _wrong(each, "true or false", text)
        return _TRUTHS[text.lower()]
    if isinstance(each.default, str):
        choices = each.metadata["choices"]
        if choices and text not in choices:
            raise unknown(_FIELD.format(each.name), "a value", text, choices)
        return text
    kind: Callable[[str], int | float] = int if isinstance(each.default, int) else float
    expected = "a whole number" if kind is int else "a number"
    least, most = each.metadata["least"], each.metadata["most"]
    if least is not None and most is not None:
        expected += f" within {least:g}..{most:g}"
    elif least is not None:
        expected += f" of at least {least:g}"
    elif most is not None:
        expected += f" of at most {most:g}"
    try:
        value = kind(text)
    except ValueError:
        _wrong(each, expected, text)
    # Written so that NaN is refused as well.
    if not ((least is None or value >= least) and (most is None or value <= most) and abs(value) < float("inf")):
        _wrong(each, expected, text)
    return value


def _wrong(each: Field[Any], expected: str, text: str) -> NoReturn:
    raise InvalidArgument(_FIELD.format(each.name), f"Expected {expected}, but got {text[:80]!r}")
