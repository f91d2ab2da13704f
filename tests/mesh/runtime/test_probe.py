"""The containers' probe against a real server: without TLS, with it, and with a proxy in the environment."""

import asyncio
import sys
from typing import Any

import pytest

from services.runtime.rpc.security import UsageError

PROXY = {"http_proxy": "http://127.0.0.1:9", "HTTP_PROXY": "http://127.0.0.1:9", "grpc_proxy": "http://127.0.0.1:9"}


async def probe(port: int, **environment: str) -> tuple[int, str]:
    """Exit code and error output of the probe."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "services.runtime.probe", str(port)),
        env={"PYTHONPATH": ":".join(sys.path), **environment},
        stderr=asyncio.subprocess.PIPE,
    )
    _, error = await process.communicate()
    return process.returncode or 0, error.decode()


async def test_no_proxy_is_asked(toy: Any, serve: Any) -> None:
    server = await serve(toy)
    assert await probe(server.port, **PROXY) == (0, "")
    server.health.set_serving(False)
    assert (await probe(server.port, **PROXY))[0] == 1


@pytest.mark.parametrize("host", ["127.0.0.9", "localhost", "::1", "0.0.0.0", "::", "[::]"])
async def test_the_address_that_the_server_listens_on_is_asked(host: str, toy: Any, serve: Any) -> None:
    try:
        server = await serve(toy, host=host, insecure=True)
    except UsageError:
        assert ":" in host
        pytest.skip("this machine has no IPv6")
    assert await probe(server.port, BABELSCOPE_HOST=host) == (0, "")
    server.health.set_serving(False)
    assert (await probe(server.port, BABELSCOPE_HOST=host))[0] == 1


@pytest.mark.parametrize("mutual", [False, True])
async def test_tls_without_a_health_port(toy: Any, serve: Any, authority: Any, mutual: bool) -> None:
    home = authority("home")
    identity = home.issue("server")
    settings = {"tls_certificate": identity.certificate, "tls_key": identity.key}
    if mutual:
        settings["tls_client_ca"] = home.certificate
    server = await serve(toy, **settings)
    environment = {f"BABELSCOPE_{name.upper()}": str(value) for name, value in settings.items()}
    assert await probe(server.port, **environment, **PROXY) == (0, "")
    server.health.set_serving(False)
    assert (await probe(server.port, **environment))[0] == 1


async def test_tls_with_a_health_port(toy: Any, serve: Any, authority: Any, free_port: Any) -> None:
    identity = authority("home").issue("server")
    port = free_port()
    await serve(toy, tls_certificate=identity.certificate, tls_key=identity.key, health_port=port)
    environment = {"BABELSCOPE_TLS_CERTIFICATE": str(identity.certificate), "BABELSCOPE_HEALTH_PORT": str(port)}
    assert await probe(1, **environment, **PROXY) == (0, "")


async def test_nobody_listens(free_port: Any, authority: Any) -> None:
    identity = authority("home").issue("server")
    for environment in ({}, {"BABELSCOPE_TLS_CERTIFICATE": str(identity.certificate)}):
        code, error = await probe(free_port(), **environment)
        assert code == 1
        assert error.strip()
        assert "Traceback" not in error
