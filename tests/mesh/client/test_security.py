"""TLS, client certificates and tokens, from the client's side, against a real encoder."""

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import babelscope
import babelscope.aio
import pytest
from babelscope import TLS, Refused, RetryPolicy, Unavailable
from pydantic import SecretStr

from services.encoder.service import EncoderService
from services.encoder.settings import EncoderSettings
from services.runtime.server import Server
from services.runtime.telemetry import Telemetry

HASTY = RetryPolicy(first_patience=0.5)


@pytest.fixture
async def secured(model_root: Path, authority: Callable[[str], Any]) -> AsyncIterator[tuple[str, Any, Any]]:
    """An encoder that asks for a certificate and a token: its address, its authority, and a client's identity."""
    home = authority("home")
    identity = home.issue("server")
    settings = EncoderSettings(
        port=0,
        hub=False,
        model_roots=(model_root,),
        token=SecretStr("open-sesame"),
        tls_certificate=identity.certificate,
        tls_key=identity.key,
        tls_client_ca=home.certificate,
    )
    telemetry = Telemetry()
    server = Server(EncoderService(settings, telemetry), settings, telemetry)
    port = await server.start()
    yield f"encoder=127.0.0.1:{port}", home, home.issue("client")
    await server.drain(0)


async def test_both_twins_present_what_is_asked_for(secured: tuple[str, Any, Any]) -> None:
    address, home, client = secured
    tls = TLS(home.certificate, client.certificate, client.key)
    async with babelscope.aio.connect(address, tls=tls, token="open-sesame") as mesh:
        assert all(status.serving for status in await mesh.status())
        found = await mesh.encoder.encode(["the cat"], model="tiny")

    def ask() -> Any:
        with babelscope.connect(address, tls=tls, token="open-sesame") as mesh:
            assert all(status.serving for status in mesh.status())
            return mesh.encoder.encode(["the cat"], model="tiny")

    assert (await asyncio.to_thread(ask)).array.tobytes() == found.array.tobytes()


@pytest.mark.parametrize("token", [None, "wrong"])
async def test_a_wrong_token_is_refused_at_once(secured: tuple[str, Any, Any], token: str | None) -> None:
    address, home, client = secured
    tls = TLS(home.certificate, client.certificate, client.key)
    async with babelscope.aio.connect(address, tls=tls, token=token) as mesh:
        with pytest.raises(Refused) as caught:
            await mesh.encoder.list_models()
    assert caught.value.status == "UNAUTHENTICATED"


async def test_a_stranger_does_not_get_through(secured: tuple[str, Any, Any], authority: Callable[[str], Any]) -> None:
    address, home, _ = secured
    elsewhere = authority("elsewhere")
    other = elsewhere.issue("client")
    for tls in (None, TLS(home.certificate), TLS(elsewhere.certificate), TLS(home.certificate, *_files(other))):
        async with babelscope.aio.connect(address, tls=tls, token="open-sesame", retry=HASTY) as mesh:
            assert [status.state for status in await mesh.status()] == ["unreachable"]
            with pytest.raises(Unavailable):
                await mesh.encoder.list_models()


def _files(identity: Any) -> tuple[Path, Path]:
    return identity.certificate, identity.key
