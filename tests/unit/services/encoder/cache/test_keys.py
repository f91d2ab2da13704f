"""Keys: equal for what gives equal rows, different for everything that changes a row."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from services.encoder.cache.keys import KeyMaker, Keys
from services.models.spec import Edit, EncodePlan, ModelInfo, Pooling

INFO = ModelInfo("model", "", "bert", 12, 4, 1, 100, 512, 10, "digest", False)
PLAN = EncodePlan((0, 6), Pooling.MEAN)
SHIFT = Edit(3, np.ones(4, np.float32), 1.0)


def made(info: ModelInfo = INFO, device: str = "cpu", plan: EncodePlan = PLAN, limit: int = 64, **text: Any) -> Keys:
    return KeyMaker(info, device, plan, limit).keys(**{"string": "a text", **text})


@pytest.mark.parametrize(
    "other",
    [
        {"info": replace(INFO, digest="another")},
        {"info": replace(INFO, engine="general")},
        {"device": "cuda:0"},
        {"plan": replace(PLAN, pooling=Pooling.CLS)},
        {"plan": replace(PLAN, dtype="bfloat16")},
        {"plan": replace(PLAN, edits=(SHIFT,))},
        {"string": "a text "},
        {"units": [(0, 1)]},
        {"info": replace(INFO, languages=("en",)), "language": "en"},
    ],
)
def test_what_changes_rows_changes_both_keys(other: dict[str, Any]) -> None:
    one, two = made(), made(**other)
    assert one.whole != two.whole
    assert one.cut != two.cut


@pytest.mark.parametrize(
    "other",
    [
        {"info": replace(INFO, name="alias", revision="main")},
        {"plan": replace(PLAN, layers=(6, 3))},
        {"plan": replace(PLAN, edits=(replace(SHIFT, alpha=0.0),))},
        {"language": "en"},
    ],
)
def test_what_changes_no_row_changes_no_key(other: dict[str, Any]) -> None:
    assert made() == made(**other)


def test_two_gpus_of_a_machine_share_keys_and_a_limit_changes_those_of_cut_texts_alone() -> None:
    assert made(device="cuda:0") == made(device="cuda:1")
    one, two = made(limit=64), made(limit=65)
    assert one.whole == two.whole
    assert one.cut != two.cut
    assert len({one.whole, one.cut, two.cut}) == 3
