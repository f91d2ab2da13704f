"""Models whose config.json is wrong: refused with the field, and none of them keeps a server from starting."""

import json
import shutil
from pathlib import Path
from typing import Any

import grpc

from tests.support.encoder_calls import encode, refused, spec, texts

DAMAGES: dict[str, dict[str, Any]] = {
    "layer_norm_eps": {"layer_norm_eps": 1},
    "num_hidden_layers": {"num_hidden_layers": 4.0},
    "hidden_act": {"hidden_act": None},
    "hidden_size": {"num_attention_heads": 5},
    "num_attention_heads": {"num_attention_heads": 0},
    "pad_token_id": {"pad_token_id": 400},
    "max_position_embeddings": {"max_position_embeddings": 10**9},
}
"""A field that the refusal names: what is changed."""


async def test_damaged_models_beside_a_good_one(serve: Any, model_root: Path, tmp_path: Path) -> None:
    root = tmp_path / "roots"
    shutil.copytree(model_root / "tiny", root / "good")
    right = json.loads((root / "good" / "config.json").read_text("utf-8"))
    for field, changes in DAMAGES.items():
        shutil.copytree(root / "good", root / field)
        (root / field / "config.json").write_text(json.dumps(right | changes), "utf-8")
    # A token budget is compared with the longest input of every model under the roots when the server starts.
    server = await serve(model_roots=(root,), token_budget=64)
    for field in DAMAGES:
        found = await refused(server.address, spec(field), texts("the cat"))
        assert found.code == grpc.StatusCode.FAILED_PRECONDITION, field
        assert field in found.message.replace(f"model {field}", ""), found.message
    assert len((await encode(server.stub, spec("good"), texts("the cat"))).arrays) == 1
