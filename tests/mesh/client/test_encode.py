"""The client against a real encoder."""

from pathlib import Path

import babelscope
import babelscope.aio
import numpy as np
import pytest
from babelscope import Intervention, InvalidRequest, LocalMesh, Model, NotFound, Refused, Shift, Text
from babelscope.calls.options import FloatType
from babelscope.cli import run
from babelscope.sync.encoder import EncoderClient
from babelscope.v1.encoder_pb2_grpc import EncoderServiceStub

from tests.support.numbered_texts import TEXTS
from tests.support.tiny_models import build_model


def test_rows_are_those_of_each_text_alone(mesh: LocalMesh) -> None:
    texts = [*TEXTS[:40], "a", "Kurz.", "雨が降った。"]
    together = mesh.encoder.encode(texts, model="tiny")
    assert together.array.shape == (43, len(together.layers), together.info.model.hidden_size)
    for position in (0, 17, 40, 42):
        alone = mesh.encoder.encode([texts[position]], model="tiny")
        np.testing.assert_allclose(together.array[position], alone.array[0], atol=2e-6)
        assert together.tokens[position] == alone.tokens[0]


async def test_the_twins_agree(mesh: LocalMesh) -> None:
    ours = mesh.encoder.encode(TEXTS[:100], model="tiny", layers=[2, 0], pooling="cls")
    async with babelscope.aio.connect(mesh.address) as aio:
        assert all(status.serving for status in await aio.status())
        theirs = await aio.encoder.encode(TEXTS[:100], model="tiny", layers=[2, 0], pooling="cls")
        assert [model.name for model in await aio.encoder.list_models()] == [
            model.name for model in mesh.encoder.list_models()
        ]
    np.testing.assert_allclose(ours.array, theirs.array, atol=2e-6)
    assert (ours.model_digest, ours.layers) == (theirs.model_digest, theirs.layers)


def test_token_rows_average_to_the_mean(mesh: LocalMesh) -> None:
    texts = [Text("x", TEXTS[3]), Text("y", "short")]
    rows = mesh.encoder.encode(texts, model="tiny", pooling="token")
    means = mesh.encoder.encode(texts, model="tiny")
    pieces = mesh.encoder.tokenize(texts, model="tiny")
    for position, piece in enumerate(pieces):
        special = np.array(piece.special)
        assert len(rows.rows(position)) == len(special) == rows.tokens[position]
        np.testing.assert_allclose(rows.rows(position)[~special].mean(0), means.array[position], atol=2e-6)
    assert rows.ids == ("x", "y")


def test_bf16_on_the_wire_is_close_to_float32(mesh: LocalMesh) -> None:
    exact = mesh.encoder.encode(TEXTS[:20], model="tiny").array
    short = mesh.encoder.encode(TEXTS[:20], model="tiny", output_dtype="bfloat16").array
    assert short.dtype == np.float32
    np.testing.assert_allclose(short, exact, rtol=2.0**-8, atol=1e-6)


@pytest.mark.parametrize("output_dtype", ["float32", "bfloat16"])
def test_rows_read_in_place_are_those_that_protobuf_reads(mesh: LocalMesh, output_dtype: FloatType) -> None:
    class Generated(EncoderClient):
        _stub = EncoderServiceStub

    alone = [TEXTS[3]]  # one batch, whatever else is computed: the same bits
    ours = mesh.encoder.encode(alone, model="tiny", pooling="token", output_dtype=output_dtype)
    client = Generated(mesh.encoder.address)
    theirs = client.encode(alone, model="tiny", pooling="token", output_dtype=output_dtype)
    client.close()
    assert len(ours.array) > 3
    assert ours.array.tobytes() == theirs.array.tobytes()
    assert (ours.ids, ours.info) == (theirs.ids, theirs.info)


def test_interventions_and_random_init_travel(mesh: LocalMesh) -> None:
    plain = mesh.encoder.encode(TEXTS[:5], model="tiny")
    width = plain.info.model.hidden_size
    shift = Intervention(0, Shift(np.ones(width, np.float32), alpha=0.5, positions="all"))
    moved = mesh.encoder.encode(TEXTS[:5], model="tiny", interventions=[shift])
    np.testing.assert_allclose(moved.layer(0), plain.layer(0) + 0.5, atol=2e-6)
    drawn = mesh.encoder.encode(TEXTS[:5], model=Model("tiny").reinit_layers((1,), 3))
    assert np.array_equal(drawn.layer(0), plain.layer(0))
    assert not np.allclose(drawn.layer(1), plain.layer(1), atol=1e-3)
    assert drawn.model_digest != plain.model_digest


def test_a_models_card(mesh: LocalMesh) -> None:
    card = mesh.encoder.get_model("tiny")
    assert (card.state, card.name) == ("ready", "tiny")
    assert card.layers > 0
    assert {"mean", "cls", "token"} <= set(card.poolings)


def test_wrong_requests_are_named(mesh: LocalMesh) -> None:
    with pytest.raises(InvalidRequest, match="but got 99") as wrong:
        mesh.encoder.encode(TEXTS[:3], model="tiny", layers=[99])
    assert wrong.value.field.startswith("spec.layers")
    assert wrong.value.request_id
    with pytest.raises(InvalidRequest):
        mesh.encoder.encode([], model="tiny")
    with pytest.raises(InvalidRequest):
        mesh.encoder.encode(["fine", ""], model="tiny")
    with pytest.raises(InvalidRequest):
        mesh.encoder.encode(["fine"], model="../../etc/passwd")
    with pytest.raises((NotFound, Refused)):
        mesh.encoder.encode(["fine"], model="tine")


def test_long_texts_are_refused_or_counted(mesh: LocalMesh) -> None:
    texts = ["short", "long " * 600]
    with pytest.raises(InvalidRequest, match="1"):
        mesh.encoder.encode(texts, model="tiny")
    cut = mesh.encoder.encode(texts, model="tiny", overflow="truncate")
    assert cut.truncated.tolist() == [False, True]
    assert cut.totals.truncated == 1
    assert cut.tokens[1] == cut.info.max_tokens


@pytest.mark.parametrize("attempt", range(5))
async def test_a_text_refused_late_keeps_its_field(mesh: LocalMesh, attempt: int) -> None:
    texts = [*TEXTS[: 3000 + attempt], ""]
    with pytest.raises(InvalidRequest):
        mesh.encoder.encode(texts, model="tiny", layers=[1])
    async with babelscope.aio.connect(mesh.address) as aio:
        with pytest.raises(InvalidRequest):
            await aio.encoder.encode(texts, model="tiny", layers=[1])


def test_the_command_encodes_by_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever its path: servers that the command starts serve it under the name that was typed."""
    build_model("bert", tmp_path / "models" / "own")
    (tmp_path / "texts.txt").write_text("the cat sees\n", encoding="utf-8")
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    monkeypatch.delenv("BABELSCOPE_MESH", raising=False)
    arguments = ["encode", "--input", "../texts.txt", "--model", "../models/own", "--output", "rows.npz"]
    assert run(arguments) == 0
    assert (tmp_path / "work" / "rows.npz").is_file()
