"""Options: read from strings, every mistake named, and what a listing says of them."""

from dataclasses import dataclass
from typing import Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.runtime.errors import InvalidArgument
from services.runtime.options import NoOptions, OptionInfo, Place, describe, option, read, read_all
from services.runtime.options import given as given_options

STEP = Place("spec.steps[2].options")
OWNED = Place(owner="procrustes")


@dataclass(frozen=True)
class Options:
    name: str = option("a name")
    sizes: tuple[int, ...] = option("some sizes", default=(1, 2))
    share: float = option("a share", default=0.5, minimum=0, maximum=1)
    deep: bool = option("deep or not", default=False)
    rule: Literal["one", "two"] = option("a rule", default="one")
    count: int = option("a count", default=3, minimum=1)
    unit: Literal["words", "signs"] | None = option("a unit", default=None)


@dataclass(frozen=True)
class Many:
    names: tuple[str, ...] = option("some names")


@dataclass(frozen=True)
class Common:
    seed: int = option("a seed", default=0)
    scheme: str = option("a scheme", default="unit", choices=("unit", "centre"))
    pairs: int = option("some pairs", default=10, minimum=0, maximum=1_000_000)
    least: float = option("a limit", default=1.5, minimum=0.25)
    most: int = option("another", default=1, maximum=7)


def test_strings_become_values() -> None:
    assert read(Options, {"name": "x"}, STEP) == Options("x")
    given = {
        "name": " a,b ", "sizes": "3, 4,", "share": "1e-1", "deep": "Yes", "rule": "two", "count": "7", "unit": "signs"
    }  # fmt: skip
    assert read(Options, given, STEP) == Options(" a,b ", (3, 4), 0.1, True, "two", 7, "signs")
    assert read(Options, {"name": "x", "unit": "", "sizes": ""}, STEP) == Options("x", sizes=())


def test_several_dataclasses_are_read_from_one_mapping() -> None:
    own, common = read_all((Options, Common), {"seed": "-9", "name": "x"}, OWNED)
    assert own == Options("x")
    assert common == Common(-9)
    assert read(NoOptions, {}, OWNED) == NoOptions()


NAMED = [
    ({}, "name", "Expected `name` (a name), but got none"),
    ({"name": " "}, "name", "Expected `name` (a name), but got none"),
    (
        {"name": "x", "nmae": "y"},
        "nmae",
        "Expected one of name, sizes, share, deep, rule, count, unit, but got 'nmae'",
    ),
    ({"name": "x", "share": "2"}, "share", "Expected `share` within 0..1, but got 2"),
    ({"name": "x", "share": "nan"}, "share", "Expected `share` to be a number, but got 'nan'"),
    ({"name": "x", "share": "inf"}, "share", "Expected `share` to be a number, but got 'inf'"),
    ({"name": "x", "count": "0"}, "count", "Expected `count` at least 1, but got 0"),
    ({"name": "x", "count": "1.5"}, "count", "Expected `count` to be a whole number, but got '1.5'"),
    ({"name": "x", "count": "9" * 400}, "count", f"Expected `count` to be a whole number, but got '{'9' * 80}'"),
    ({"name": "x", "sizes": "1,x"}, "sizes", "Expected `sizes` to be a whole number, but got 'x'"),
    ({"name": "x", "deep": "maybe"}, "deep", "Expected `deep` to be true or false, but got 'maybe'"),
    ({"name": "x", "rule": "three"}, "rule", "Expected `rule` to be one of one, two, but got 'three'"),
    ({"name": "x", "unit": "word"}, "unit", "Expected `unit` to be one of words, signs, but got 'word'"),
]


@pytest.mark.parametrize(("mapping", "field", "problem"), NAMED)
def test_mistakes_name_the_option(mapping: dict[str, str], field: str, problem: str) -> None:
    with pytest.raises(InvalidArgument) as raised:
        read(Options, mapping, STEP)
    assert (raised.value.field, raised.value.problem) == (f"spec.steps[2].options[{field}]", problem)


def test_a_list_that_must_be_given_is_not_empty() -> None:
    assert read(Many, {"names": "a, b"}, STEP) == Many(("a", "b"))
    with pytest.raises(InvalidArgument, match="Expected `names` to name at least one, but got ','"):
        read(Many, {"names": ","}, STEP)


OWNERS = [
    ({"sed": "1"}, "an option of procrustes of seed, scheme, pairs, least, most, but got 'sed'; did you mean 'seed'?"),
    ({"seed": "x"}, "a whole number, but got 'x'"),
    ({"scheme": "unti"}, "a value of unit, centre, but got 'unti'; did you mean 'unit'?"),
    ({"pairs": "-1"}, "a whole number within 0..1000000, but got '-1'"),
    ({"least": "0.2"}, "a number of at least 0.25, but got '0.2'"),
    ({"most": "8"}, "a whole number of at most 7, but got '8'"),
]


@pytest.mark.parametrize(("mapping", "problem"), OWNERS)
def test_mistakes_name_the_owner(mapping: dict[str, str], problem: str) -> None:
    with pytest.raises(InvalidArgument) as raised:
        read(Common, mapping, OWNED)
    assert (raised.value.field, raised.value.problem) == (f"spec.options[{next(iter(mapping))}]", f"Expected {problem}")


def test_a_long_name_is_cut_in_the_error() -> None:
    with pytest.raises(InvalidArgument) as raised:
        read(Common, {"x" * 100_000: "1"}, OWNED)
    assert len(str(raised.value)) < 500


def test_options_describe_themselves() -> None:
    assert describe(Options) == (
        OptionInfo("name", "a name", "", True),
        OptionInfo("sizes", "some sizes", "1,2", False, "list"),
        OptionInfo("share", "a share", "0.5", False, "number", minimum=0, maximum=1),
        OptionInfo("deep", "deep or not", "false", False, "true or false"),
        OptionInfo("rule", "a rule", "one", False, "text", ("one", "two")),
        OptionInfo("count", "a count", "3", False, "whole number", minimum=1),
        OptionInfo("unit", "a unit", "", False, "text", ("words", "signs")),
    )
    assert [each.name for each in describe(Many, Common)] == ["names", "seed", "scheme", "pairs", "least", "most"]
    assert describe(Common)[1] == OptionInfo("scheme", "a scheme", "unit", False, "text", ("unit", "centre"))


@given(
    st.fixed_dictionaries(
        {"name": st.text("abc", min_size=1)},
        optional={
            "sizes": st.lists(st.integers(-(2**63), 2**63 - 1)).map(tuple),
            "share": st.floats(0, 1),
            "deep": st.booleans(),
            "rule": st.sampled_from(["one", "two"]),
            "count": st.integers(1, 2**63 - 1),
        },
    )
)
def test_values_written_out_read_back(values: dict[str, Any]) -> None:
    written = {
        key: ",".join(map(str, value)) if isinstance(value, tuple) else str(value) for key, value in values.items()
    }
    assert read(Options, written, STEP) == Options(**values)


@given(st.dictionaries(st.sampled_from(["seed", "scheme", "pairs", "least", "most"]), st.text()))
def test_whatever_is_written_is_read_or_refused(mapping: dict[str, str]) -> None:
    try:
        found = read(Common, mapping, OWNED)
    except InvalidArgument:
        pass
    else:
        assert 0 <= found.pairs <= 1_000_000
        assert 0.25 <= found.least < float("inf")
        assert found.scheme in {"unit", "centre"}


def test_options_of_a_message_are_copied_and_too_many_are_refused() -> None:
    assert given_options({"a": "b"}, "spec.options") == {"a": "b"}
    with pytest.raises(InvalidArgument, match="at most 100 options, but got 101") as caught:
        given_options({str(number): "" for number in range(101)}, "spec.options")
    assert caught.value.field == "spec.options"
