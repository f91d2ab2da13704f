from dataclasses import dataclass
from typing import Literal

import pytest

from services.datagen.transforms.options import OptionInfo, describe, option, parse_options
from services.datagen.transforms.registry import TRANSFORMS, create
from services.runtime.errors import InvalidArgument
from tests.support.datagen_corpora import Memory


@dataclass(frozen=True)
class Options:
    name: str = option("a name")
    sizes: tuple[int, ...] = option("some sizes", default=(1, 2))
    share: float = option("a share", default=0.5, minimum=0, maximum=1)
    deep: bool = option("deep or not", default=False)
    rule: Literal["one", "two"] = option("a rule", default="one")
    count: int = option("a count", default=3, minimum=1)


def test_strings_become_values() -> None:
    assert parse_options(Options, {"name": "x"}) == Options("x")
    assert parse_options(
        Options, {"name": " a,b ", "sizes": "3, 4,", "share": "1e-1", "deep": "Yes", "rule": "two", "count": "7"}
    ) == Options(" a,b ", (3, 4), 0.1, True, "two", 7)


@pytest.mark.parametrize(
    ("mapping", "field", "problem"),
    [
        ({}, "name", "Expected `name` (a name), but got none"),
        ({"name": " "}, "name", "but got none"),
        ({"name": "x", "nmae": "y"}, "nmae", "Expected one of name, sizes, share, deep, rule, count, but got 'nmae'"),
        ({"name": "x", "share": "2"}, "share", "Expected `share` within 0..1, but got 2"),
        ({"name": "x", "share": "nan"}, "share", "a number, but got 'nan'"),
        ({"name": "x", "share": "inf"}, "share", "a number"),
        ({"name": "x", "count": "0"}, "count", "Expected `count` at least 1, but got 0"),
        ({"name": "x", "count": "1.5"}, "count", "a whole number, but got '1.5'"),
        ({"name": "x", "count": "9" * 400}, "count", "a whole number"),
        ({"name": "x", "sizes": "1,x"}, "sizes", "a whole number"),
        ({"name": "x", "deep": "maybe"}, "deep", "true or false, but got 'maybe'"),
        ({"name": "x", "rule": "three"}, "rule", "one of one, two, but got 'three'"),
    ],
)
def test_bad_options_are_named(mapping: dict[str, str], field: str, problem: str) -> None:
    with pytest.raises(InvalidArgument) as raised:
        parse_options(Options, mapping, step=2)
    assert raised.value.field == f"spec.steps[2].options[{field}]"
    assert problem in raised.value.problem


def test_options_describe_themselves() -> None:
    assert describe(Options) == (
        OptionInfo("name", "a name", "", True),
        OptionInfo("sizes", "some sizes", "1,2", False),
        OptionInfo("share", "a share", "0.5", False),
        OptionInfo("deep", "deep or not", "false", False),
        OptionInfo("rule", "a rule", "one", False),
        OptionInfo("count", "a count", "3", False),
    )


@pytest.mark.parametrize("name", TRANSFORMS)
def test_defaults_read_back_as_themselves(name: str) -> None:
    transform = TRANSFORMS[name]
    infos = describe(transform.Options)
    assert transform.name == name
    assert transform.summary.endswith(".")
    assert transform.passes >= 1
    assert all(info.summary for info in infos)
    given = {info.name: info.default for info in infos if info.default}
    required = {info.name for info in infos if info.required}
    if not required:
        assert parse_options(transform.Options, given) == transform.Options()


def test_unknown_transforms_are_told_what_there_is() -> None:
    with pytest.raises(InvalidArgument, match="did you mean code_switch") as raised:
        create("codeswitch", {}, Memory(), 0, step=1)
    assert raised.value.field == "spec.steps[1].name"


def test_options_at_odds_are_placed_in_the_request() -> None:
    with pytest.raises(InvalidArgument) as raised:
        create("split", {"dev": "0.6", "test": "0.6"}, Memory(), 0, step=3)
    assert raised.value.field == "spec.steps[3].options[dev]"
