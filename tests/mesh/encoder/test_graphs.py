"""Back end ONNX over the wire."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import numpy as np
import pytest
from babelscope.aio.encoder import AsyncEncoderClient
from babelscope.data.models import Intervention, Shift
from babelscope.errors import InvalidRequest, Refused

from services.encoder.graphs import installed
from services.encoder.graphs.shelf import CARDS, CLAIMS, KIND
from services.runtime.files.store import Store

pytest.importorskip("onnxruntime", reason="the extra babelscope[onnx]")
pytest.importorskip("onnxscript", reason="the extra babelscope[onnx]")


TEXTS = ["the old cat sees a bird", "red house", "then the dog and the cat in the river"]


@asynccontextmanager
async def client(server: Any) -> AsyncIterator[AsyncEncoderClient]:
    opened = AsyncEncoderClient(server.address)
    try:
        yield opened
    finally:
        await opened.close()


async def test_one_graph_for_all_servers_of_a_store_says_what_it_is_and_equals_pytorch(serve: Any) -> None:
    first, second = await serve(), await serve()
    edit = (Intervention(1, Shift(np.ones(32, np.float32), 0.5)),)
    async with client(first) as one, client(second) as other:
        plain = await one.encode(TEXTS, model="tiny", interventions=edit)
        found = [await each.encode(TEXTS, model="tiny", interventions=edit, backend="onnx") for each in (one, other)]
        means = [await one.mean_activations(TEXTS, model="tiny", backend=backend) for backend in ("torch", "onnx")]
        model = await one.get_model("tiny", backend="onnx")
        assert (plain.info.backend, plain.info.model.engine, plain.info.compute_dtype) == ("torch", "packed", "f32")
        for each in found:
            assert (each.info.backend, each.info.model.engine, each.info.compute_dtype) == ("onnx", "onnx", "f32")
            assert each.info.model.digest == plain.info.model.digest
            np.testing.assert_allclose(each.array, plain.array, atol=2e-5, rtol=0)
        np.testing.assert_allclose(means[0].array, means[1].array, atol=2e-5, rtol=0)
        assert (model.engine, model.backends, model.onnx_reason) == ("onnx", ("torch", "onnx"), "")
        listed = {each.name: each for each in await one.list_models()}
        assert listed["tiny"].engine == "packed"
        assert (await one.unload_model("tiny")).dropped == 2
        store = Store(first.service._settings.store_url)
        assert [len(store.list(f"{kind}/")) for kind in (KIND, CARDS, CLAIMS)] == [1, 1, 0]


async def test_what_a_back_end_does_not_do_is_refused_with_the_reason(
    serve: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = await serve()
    async with client(server) as asking:
        with pytest.raises(InvalidRequest, match="Expected one of DATA_TYPE_F32, DATA_TYPE_BF16, but got DATA_TYPE_I8"):
            await asking.encode(TEXTS, model="tiny", compute_dtype="int8")
        with pytest.raises(InvalidRequest, match="Expected one of DATA_TYPE_F32, DATA_TYPE_I8, but got DATA_TYPE_BF16"):
            await asking.encode(TEXTS, model="tiny", backend="onnx", compute_dtype="bfloat16")
        reason = "ONNX Runtime is not installed: install the extra `onnx`"
        monkeypatch.setattr("services.encoder.graphs.installed.find_spec", lambda _: None)
        installed.lacking.cache_clear()
        assert (await asking.get_model("tiny")).backends == ("torch",)
        assert (await asking.get_model("tiny")).onnx_reason.startswith(reason)
        with pytest.raises(Refused, match=reason):
            await asking.encode(TEXTS, model="tiny", backend="onnx")
    installed.lacking.cache_clear()
