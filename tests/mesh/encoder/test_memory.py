"""Models loaded and unloaded on request, within bytes; checkpoints that are deleted while they are served."""

from pathlib import Path
from typing import Any

import pytest
from babelscope.aio.encoder import AsyncEncoderClient
from babelscope.errors import LimitExceeded, NotFound, Refused

from services.runtime.files.folders import delete_folder, put_folder
from services.runtime.files.store import Store


async def test_load_pin_and_unload(serve: Any) -> None:
    server = await serve(max_models=1)
    client = AsyncEncoderClient(server.address)
    found = await client.load_model("tiny", pin=True)
    assert (found.state, server.gauge("encoder_models")) == ("ready", 1)
    assert server.gauge("encoder_model_bytes") == 4 * found.parameters
    assert (await client.unload_model("tiny")).dropped == 1
    assert server.gauge("encoder_model_bytes") == 0
    assert (await client.get_model("other")).state == "ready"
    with pytest.raises(NotFound):
        await client.load_model("nothing")
    await client.close()


async def test_a_model_too_large_is_refused_with_figures(serve: Any) -> None:
    server = await serve(model_bytes=1000)
    client = AsyncEncoderClient(server.address)
    with pytest.raises(
        LimitExceeded, match="at most 1000 bytes of weights together, but model tiny alone has"
    ) as caught:
        await client.load_model("tiny")
    assert (caught.value.subject, caught.value.retry_after) == ("model_bytes", None)
    await client.close()


async def test_a_model_that_is_not_allowed_is_refused(serve: Any) -> None:
    server = await serve(allowed_models=("oth*",))
    client = AsyncEncoderClient(server.address)
    assert (await client.get_model("other")).state == "ready"
    with pytest.raises(Refused, match="allowed_models"):
        await client.get_model("tiny")
    assert {model.name for model in await client.list_models() if model.state == "refused"} >= {"tiny"}
    await client.close()


async def test_a_deleted_checkpoint_is_served_no_more(serve: Any, model_root: Path, tmp_path: Path) -> None:
    store = Store(str(tmp_path / "store"))
    stored = put_folder(store, "checkpoints", model_root / "tiny")
    copies = tmp_path / "copies"
    server = await serve(store_url=str(tmp_path / "store"), checkpoint_dir=copies)
    client = AsyncEncoderClient(server.address)
    assert (await client.get_model(stored.name)).state == "ready"
    assert (copies / stored.name).is_dir()
    delete_folder(store, stored.name)
    with pytest.raises(NotFound):
        await client.get_model(stored.name)
    assert not (copies / stored.name).exists()
    assert server.gauge("encoder_models") == 0
    await client.close()
