"""Options by name: fields of a frozen dataclass that say what they take, read from the strings of a request.

A transform, a map method, a score or a measure declares its options as a frozen dataclass whose fields are made with
`option`. `read` turns a mapping of strings into an instance of it, with pydantic's conversions; `describe` tells what
there is, for a listing. What a field takes follows from its type:

    str                  text, taken as it is; with `choices`, one of them
    Literal["a", "b"]    one of the words
    int, float           a whole number, a number; NaN and infinity are refused
    bool                 true or false (yes, no, 1, 0)
    tuple[X, ...]        any number of X, separated by commas
    X | None             as X; None where empty
"""

import types
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, Field, dataclass, field, fields
from functools import cache
from typing import Annotated, Any, ClassVar, Final, Literal, NoReturn, Protocol, TypeVar, Union, get_args, get_origin
from typing import get_type_hints as _hints

from pydantic import Field as Constraint
from pydantic import TypeAdapter, ValidationError

from services.runtime.errors import InvalidArgument
from services.runtime.suggestions import unknown

_MOST_GIVEN: Final = 100
_LARGEST: Final = 2**63 - 1
_SHOWN: Final = 80
_TYPES: Final[dict[Any, str]] = {str: "text", int: "whole number", float: "number", bool: "true or false"}
_NOUNS: Final[dict[Any, str]] = {int: "a whole number", float: "a number", bool: "true or false"}


class OptionsType(Protocol):
    """A frozen dataclass whose fields were made with `option`."""

    __dataclass_fields__: ClassVar[dict[str, Field[Any]]]


T = TypeVar("T", bound=OptionsType)


def given(options: Mapping[str, str], field: str) -> dict[str, str]:
    """The options of a message, copied where they are not too many.

    Args:
        options: Field of the message.
        field: Its path, for errors.

    Raises:
        InvalidArgument: There are more than anything could take.
    """
    if len(options) > _MOST_GIVEN:
        raise InvalidArgument(field, f"Expected at most {_MOST_GIVEN} options, but got {len(options)}")
    return dict(options)


@dataclass(frozen=True)
class NoOptions:
    """Options of what takes none."""


@dataclass(frozen=True, slots=True)
class OptionInfo:
    """What a user is told about one option.

    Attributes:
        name: Name of the option.
        summary: What it means, a phrase or a sentence.
        default: Default as a user would write it; empty where the option must be given, or where it stands for None.
        required: Whether the option must be given.
        type: `text`, `whole number`, `number`, `true or false`, or `list`.
        choices: Values it takes; any value of its type where empty.
        minimum: Smallest number it takes; None without limit.
        maximum: Largest number it takes; None without limit.
    """

    name: str
    summary: str
    default: str
    required: bool
    type: str = "text"
    choices: tuple[str, ...] = ()
    minimum: float | None = None
    maximum: float | None = None


@dataclass(frozen=True, slots=True)
class Place:
    """Where options stand in a request, for errors.

    Attributes:
        path: Path of the mapping, `spec.steps[2].options`.
        owner: Name of what the options belong to, `procrustes`; errors name each option instead where empty.
    """

    path: str = "spec.options"
    owner: str = ""

    def field(self, name: str) -> str:
        """Path of one option."""
        return f"{self.path}[{name[:_SHOWN]}]"


def option(
    summary: str,
    *,
    default: Any = MISSING,
    minimum: float | None = None,
    maximum: float | None = None,
    choices: Sequence[str] = (),
) -> Any:
    """A field of a dataclass of options.

    Args:
        summary: What it means, a phrase or a sentence.
        default: Default value; the option must be given in a request where this is left out.
        minimum: Smallest number allowed.
        maximum: Largest number allowed.
        choices: Values allowed, for a `str` whose choices are known only when the module is loaded.
    """
    metadata = {"summary": summary, "minimum": minimum, "maximum": maximum, "choices": tuple(choices)}
    return field(default=default, metadata=metadata)


def read(kind: type[T], given: Mapping[str, str], place: Place) -> T:
    """Reads options from strings.

    Args:
        kind: Dataclass of the options.
        given: Strings by name.
        place: Field of the request that holds the options.

    Raises:
        InvalidArgument: An option is unknown, missing, or not of its type or range.
    """
    (only,) = read_all((kind,), given, place)
    made: T = only
    return made


def read_all(kinds: Sequence[type[Any]], given: Mapping[str, str], place: Place) -> list[Any]:
    """Reads the options of several dataclasses, whose fields have different names, from one mapping of strings.

    Args:
        kinds: Dataclasses of options.
        given: Strings by name.
        place: Field of the request that holds the options.

    Returns:
        One instance of each dataclass.

    Raises:
        InvalidArgument: An option is unknown, missing, or not of its type or range.
    """
    known = {each.name: each for kind in kinds for each in fields(kind)}
    for name in given:
        if name not in known:
            _unknown(place, name, list(known))
    for name, each in known.items():
        if each.default is MISSING and not given.get(name, "").strip():
            problem = f"Expected `{name}` ({each.metadata['summary']}), but got none"
            raise InvalidArgument(place.field(name), problem)
    annotated = {name: type_ for kind in kinds for name, type_ in _hints(kind).items()}
    values = {name: _value(place, known[name], annotated[name], text) for name, text in given.items()}
    return [kind(**{each.name: values[each.name] for each in fields(kind) if each.name in values}) for kind in kinds]


def describe(*kinds: type[Any]) -> tuple[OptionInfo, ...]:
    """The options of one or more dataclasses, in their order."""
    return tuple(_described(each, _hints(kind)[each.name]) for kind in kinds for each in fields(kind))


def _described(each: Field[Any], annotation: Any) -> OptionInfo:
    inner, many = _inner(annotation)
    name = _TYPES[str if get_origin(inner) is Literal else inner]
    return OptionInfo(
        name=each.name,
        summary=each.metadata["summary"],
        default="" if each.default in {MISSING, None} else _written(each.default),
        required=each.default is MISSING,
        type="list" if many else name,
        choices=_choices(each, inner),
        minimum=each.metadata["minimum"],
        maximum=each.metadata["maximum"],
    )


def _inner(annotation: Any) -> tuple[Any, bool]:
    """The type of one value, and whether there may be several."""
    if get_origin(annotation) is tuple:
        return get_args(annotation)[0], True
    if get_origin(annotation) in {types.UnionType, Union}:
        return get_args(annotation)[0], False
    return annotation, False


def _choices(each: Field[Any], inner: Any) -> tuple[str, ...]:
    choices: tuple[str, ...] = get_args(inner) if get_origin(inner) is Literal else each.metadata["choices"]
    return choices


def _written(value: object) -> str:
    """A value as a user would write it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, tuple):
        return ",".join(_written(item) for item in value)
    return f"{value:g}" if isinstance(value, float) else str(value)


@cache
def _adapter(inner: Any, minimum: float | None, maximum: float | None, choices: tuple[str, ...]) -> TypeAdapter[Any]:
    """Pydantic's reading of one value."""
    if choices:
        words: Any = Literal[choices]
        return TypeAdapter(words)
    if inner is int:
        low, high = (-_LARGEST - 1 if minimum is None else minimum), (_LARGEST if maximum is None else maximum)
        return TypeAdapter(Annotated[int, Constraint(ge=low, le=high)])
    if inner is float:
        return TypeAdapter(Annotated[float, Constraint(ge=minimum, le=maximum, allow_inf_nan=False)])
    return TypeAdapter(inner)


def _value(place: Place, each: Field[Any], annotation: Any, text: str) -> Any:
    """The value of one option."""
    inner, many = _inner(annotation)
    if many:
        items = [item.strip() for item in text.split(",")]
        values = tuple(_single(place, each, inner, item) for item in items if item)
        if not values and each.default is MISSING:
            problem = f"Expected `{each.name}` to name at least one, but got {text[:_SHOWN]!r}"
            raise InvalidArgument(place.field(each.name), problem)
        return values
    if inner is not annotation and not text:
        return None
    return _single(place, each, inner, text)


def _single(place: Place, each: Field[Any], inner: Any, text: str) -> Any:
    choices = _choices(each, inner)
    bounds = each.metadata["minimum"], each.metadata["maximum"]
    try:
        return _adapter(inner, *bounds, choices).validate_python(text)
    except ValidationError as error:
        (problem, *_) = error.errors(include_url=False, include_context=False)
    if choices:
        _no_choice(place, each.name, choices, text)
    limit = {"greater_than_equal": bounds[0], "less_than_equal": bounds[1]}.get(problem["type"])
    _refused(place, each.name, _NOUNS[inner], _range(*bounds), text, beyond=limit is not None)


def _unknown(place: Place, name: str, known: Sequence[str]) -> NoReturn:
    if place.owner and not known:
        raise InvalidArgument(place.field(name), f"Expected no options of {place.owner}, but got {name[:_SHOWN]!r}")
    if place.owner:
        raise unknown(place.field(name), f"an option of {place.owner}", name, known)
    listed = ", ".join(known) or "no options"
    raise InvalidArgument(place.field(name), f"Expected one of {listed}, but got {name[:_SHOWN]!r}")


def _no_choice(place: Place, name: str, choices: Sequence[str], text: str) -> NoReturn:
    if place.owner:
        raise unknown(place.field(name), "a value", text, choices)
    problem = f"Expected `{name}` to be one of {', '.join(choices)}, but got {text[:_SHOWN]!r}"
    raise InvalidArgument(place.field(name), problem)


def _refused(place: Place, name: str, noun: str, allowed: str, text: str, *, beyond: bool) -> NoReturn:
    """Refuses a value that is not of its type, or beyond its limits."""
    shown = text[:_SHOWN]
    if place.owner:
        # One name is enough, and the field's path has it.
        problem = f"Expected {noun} {'of ' * allowed.startswith('at')}{allowed}".rstrip() + f", but got {shown!r}"
    elif beyond:
        problem = f"Expected `{name}` {allowed}, but got {shown}"
    else:
        problem = f"Expected `{name}` to be {noun}, but got {shown!r}"
    raise InvalidArgument(place.field(name), problem)


def _range(minimum: float | None, maximum: float | None) -> str:
    """The numbers allowed, in words; empty where all are."""
    low, high = (f"{limit:g}" if isinstance(limit, float) else str(limit) for limit in (minimum, maximum))
    if minimum is not None and maximum is not None:
        return f"within {low}..{high}"
    if minimum is not None:
        return f"at least {low}"
    return f"at most {high}" if maximum is not None else ""
