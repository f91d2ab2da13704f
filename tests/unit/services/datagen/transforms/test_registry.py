"""All transforms: what they say of themselves, and how one is made from a request."""

import pytest

from services.datagen.transforms.registry import TRANSFORMS, create, describe_options
from services.runtime.errors import InvalidArgument
from services.runtime.options import Place, read
from tests.support.datagen_corpora import Memory


@pytest.mark.parametrize("name", TRANSFORMS)
def test_defaults_read_back_as_themselves(name: str) -> None:
    transform = TRANSFORMS[name]
    infos = describe_options(name)
    assert transform.name == name
    assert transform.summary.endswith(".")
    assert transform.passes >= 1
    assert all(info.summary for info in infos)
    given = {info.name: info.default for info in infos if info.default}
    required = {info.name for info in infos if info.required}
    if not required:
        assert read(transform.Options, given, Place()) == transform.Options()


def test_unknown_transforms_are_told_what_there_is() -> None:
    with pytest.raises(InvalidArgument, match="did you mean code_switch") as raised:
        create("codeswitch", {}, Memory(), 0, step=1)
    assert raised.value.field == "spec.steps[1].name"


def test_options_at_odds_are_placed_in_the_request() -> None:
    with pytest.raises(InvalidArgument) as raised:
        create("split", {"dev": "0.6", "test": "0.6"}, Memory(), 0, step=3)
    assert raised.value.field == "spec.steps[3].options[dev]"
