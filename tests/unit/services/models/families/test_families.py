"""What families say of their models, and what is refused whatever the family."""

from typing import Any

import numpy as np
import pytest
from transformers import AutoConfig

from services.models.families import FAMILIES, common_refusal
from services.models.families.base import initial_std


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        ({}, ""),
        ({"is_decoder": False, "position_embedding_type": "absolute", "auto_map": {}}, ""),
        ({"auto_map": {"AutoModel": "x.Y"}}, "code of its own"),
        ({"is_decoder": True}, "it is a decoder"),
        ({"add_cross_attention": True}, "it is a decoder"),
        ({"is_encoder_decoder": True}, "encoder-decoder"),
        ({"quantization_config": {"bits": 4}}, "quantised"),
        ({"position_embedding_type": "relative_key"}, "'relative_key'; only 'absolute'"),
    ],
)
def test_common_refusals(raw: dict[str, Any], reason: str) -> None:
    said = common_refusal(raw)
    assert reason in said
    assert bool(said) == bool(reason)


@pytest.mark.parametrize(
    ("family", "settings", "reason"),
    [
        ("bert", {"hidden_act": "quick_gelu"}, "'quick_gelu'; offered are gelu"),
        ("distilbert", {"activation": "mish"}, "'mish'"),
        ("modernbert", {"hidden_activation": "gelu_10"}, "'gelu_10'"),
        ("roberta", {"pad_token_id": None}, "no `pad_token_id`"),
        ("albert", {"hidden_act": "mish"}, "'mish'"),
        ("albert", {"inner_group_num": 0}, "`inner_group_num`"),
        ("eurobert", {"num_attention_heads": 12, "num_key_value_heads": 5}, "multiple of `num_key_value_heads`, 5"),
        ("eurobert", {"rope_parameters": {"rope_type": "linear", "factor": 2.0, "rope_theta": 1e4}}, "rule 'linear'"),
        ("rembert", {"output_embedding_size": 0}, "`output_embedding_size`"),
        ("bert", {}, ""),
        ("xlm-roberta", {}, ""),
        ("modernbert", {}, ""),
    ],
)
def test_refusals_of_a_family(family: str, settings: dict[str, Any], reason: str) -> None:
    said = FAMILIES[family].refusal(AutoConfig.for_model(family, **settings))
    assert reason in said
    assert bool(said) == bool(reason)


def test_other_rotations_are_refused() -> None:
    rope = {
        "full_attention": {"rope_type": "linear", "factor": 2.0, "rope_theta": 1e4},
        "sliding_attention": {"rope_type": "default", "rope_theta": 1e4},
    }
    config = AutoConfig.for_model("modernbert", rope_parameters=rope)
    assert "full_attention rotates by rule 'linear'" in FAMILIES["modernbert"].refusal(config)


@pytest.mark.parametrize(
    ("family", "expected"),
    [
        ("bert", (12, 768, 12, 30522, 512)),
        ("distilbert", (6, 768, 12, 30522, 512)),
        ("electra", (12, 256, 4, 30522, 512)),
        ("modernbert", (22, 768, 12, 50368, 8192)),
        ("xlm-roberta", (12, 768, 12, 30522, 510)),
        ("albert", (12, 4096, 64, 30000, 512)),
        ("eurobert", (12, 768, 12, 128256, 8192)),
        ("rembert", (32, 1152, 18, 250300, 512)),
        ("xlm-roberta-xl", (36, 2560, 32, 250880, 512)),
    ],
)
def test_dimensions_of_the_default_configurations(family: str, expected: tuple[int, ...]) -> None:
    sizes = FAMILIES[family].dimensions(AutoConfig.for_model(family))
    assert (sizes.layers, sizes.hidden_size, sizes.heads, sizes.vocabulary_size, sizes.max_tokens) == expected


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"num_hidden_layers": 4}, [1, 1, 1, 1]),
        ({"num_hidden_layers": 4, "num_hidden_groups": 2}, [1, 1, 3, 3]),
        ({"num_hidden_layers": 3, "num_hidden_groups": 2}, [1, 1, 3]),
        ({"num_hidden_layers": 2, "inner_group_num": 2}, [1, 2, 1, 2]),
        ({"num_hidden_layers": 3, "num_hidden_groups": 2, "inner_group_num": 2}, [1, 2, 1, 2, 5, 6]),
    ],
)
def test_layers_of_albert_that_share_a_block(settings: dict[str, int], expected: list[int]) -> None:
    config = AutoConfig.for_model("albert", **settings)
    layers = FAMILIES["albert"].dimensions(config).layers
    assert [FAMILIES["albert"].lowest(config, layer) for layer in range(1, layers + 1)] == expected


def test_positions() -> None:
    ids = np.array([5, 6, 1, 7])
    assert FAMILIES["bert"].position_rule(AutoConfig.for_model("bert"))(ids).tolist() == [0, 1, 2, 3]
    rule = FAMILIES["roberta"].position_rule(AutoConfig.for_model("roberta", pad_token_id=1))
    assert rule(ids).tolist() == [2, 3, 1, 4]


def test_standard_deviation_where_the_configuration_gives_none() -> None:
    assert initial_std(AutoConfig.for_model("bert", initializer_range=0.05)) == 0.05
    assert initial_std(AutoConfig.for_model("bert", initializer_range=0.0)) == 0.02
