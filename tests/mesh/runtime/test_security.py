"""Who may connect: TLS, mutual TLS, tokens, and the health port beside them."""

from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from services.runtime.rpc.security import UsageError
from services.runtime.server import Server
from services.runtime.settings import ServerSettings

ECHO = "/toy.v1.Toy/Echo"


async def code(call: Any) -> grpc.StatusCode:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call
    return caught.value.code()


async def healthy(channel: grpc.aio.Channel, service: str = "") -> bool:
    answer = await health_pb2_grpc.HealthStub(channel).Check(
        health_pb2.HealthCheckRequest(service=service), timeout=200
    )
    return answer.status == health_pb2.HealthCheckResponse.SERVING


async def reflected(channel: grpc.aio.Channel) -> list[str]:
    stub = reflection_pb2_grpc.ServerReflectionStub(channel)
    request = reflection_pb2.ServerReflectionRequest(list_services="")
    [answer] = [each async for each in stub.ServerReflectionInfo(iter([request]))]
    return [service.name for service in answer.list_services_response.service]


async def test_a_token_is_asked_for_and_health_is_not(toy: Any, serve: Any, connect: Any) -> None:
    channel = connect(await serve(toy, token="correct-horse"))
    echo = channel.unary_unary(ECHO)
    for wrong in (
        (),
        (("authorization", "Bearer wrong"),),
        (("authorization", "Bearer correct-hors"),),
        (("authorization", "Bearer "),),
        (("authorization", "Basic correct-horse"),),
        (("authorization", "correct-horse"),),
        (("authorization", "Bearer correct-horse"), ("authorization", "Bearer correct-horse")),
    ):
        assert await code(echo(b"a", metadata=wrong)) is grpc.StatusCode.UNAUTHENTICATED
    assert await echo(b"a", metadata=(("authorization", "Bearer correct-horse"),)) == b"a"
    assert await echo(b"a", metadata=(("authorization", "bearer correct-horse"),)) == b"a"
    assert await healthy(channel)
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await reflected(channel)
    assert caught.value.code() is grpc.StatusCode.UNAUTHENTICATED


async def test_reflection_lists_the_services(toy: Any, serve: Any, connect: Any) -> None:
    names = await reflected(connect(await serve(toy)))
    assert set(names) == {
        "toy.v1.Toy",
        "grpc.health.v1.Health",
        "grpc.reflection.v1.ServerReflection",
        "grpc.reflection.v1alpha.ServerReflection",
    }


async def test_tls(toy: Any, serve: Any, connect: Any, authority: Any) -> None:
    home, elsewhere = authority("home"), authority("elsewhere")
    identity = home.issue("server")
    server = await serve(toy, tls_certificate=identity.certificate, tls_key=identity.key)
    trusted = grpc.ssl_channel_credentials(home.certificate.read_bytes())
    assert await connect(server, trusted).unary_unary(ECHO)(b"a", timeout=200) == b"a"
    stranger = grpc.ssl_channel_credentials(elsewhere.certificate.read_bytes())
    assert await code(connect(server, stranger).unary_unary(ECHO)(b"a", timeout=200)) is grpc.StatusCode.UNAVAILABLE
    assert await code(connect(server).unary_unary(ECHO)(b"a", timeout=200)) is grpc.StatusCode.UNAVAILABLE


async def test_mutual_tls_and_the_health_port(
    toy: Any, serve: Any, connect: Any, authority: Any, free_port: Any
) -> None:
    home, elsewhere = authority("home"), authority("elsewhere")
    identity, client, other = home.issue("server"), home.issue("client"), elsewhere.issue("client")
    port = free_port()
    server = await serve(
        toy,
        tls_certificate=identity.certificate,
        tls_key=identity.key,
        tls_client_ca=home.certificate,
        health_port=port,
    )
    root = home.certificate.read_bytes()

    def credentials(who: Any) -> grpc.ChannelCredentials:
        return grpc.ssl_channel_credentials(root, who.key.read_bytes(), who.certificate.read_bytes())

    assert await connect(server, credentials(client)).unary_unary(ECHO)(b"a", timeout=200) == b"a"
    for wrong in (grpc.ssl_channel_credentials(root), credentials(other)):
        answer = await code(connect(server, wrong).unary_unary(ECHO)(b"a", timeout=200))
        assert answer is grpc.StatusCode.UNAVAILABLE
    probe = connect(server, port=port)
    assert await healthy(probe)
    assert await healthy(probe, "toy.v1.Toy")
    assert await code(probe.unary_unary(ECHO)(b"a")) is grpc.StatusCode.UNIMPLEMENTED
    await server.drain()
    assert await code(healthy(probe)) is grpc.StatusCode.UNAVAILABLE


async def test_a_renewed_certificate_is_used_without_a_restart(
    toy: Any, serve: Any, connect: Any, authority: Any
) -> None:
    old, new = authority("old"), authority("new")
    identity = old.issue("server")
    server = await serve(toy, tls_certificate=identity.certificate, tls_key=identity.key)
    assert await connect(server, grpc.ssl_channel_credentials(old.certificate.read_bytes())).unary_unary(ECHO)(b"a")
    renewed = new.issue("server")
    identity.certificate.write_bytes(renewed.certificate.read_bytes())
    # Half a renewal: the old pair stays in use.
    assert await connect(server, grpc.ssl_channel_credentials(old.certificate.read_bytes())).unary_unary(ECHO)(b"a")
    identity.key.write_bytes(renewed.key.read_bytes())
    trusted = grpc.ssl_channel_credentials(new.certificate.read_bytes())
    assert await connect(server, trusted).unary_unary(ECHO)(b"b", timeout=200) == b"b"


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "example.org", "192.0.2.1"])
async def test_listening_in_the_open_is_refused(host: str, toy: Any) -> None:
    with pytest.raises(UsageError, match="loopback"):
        await Server(toy, ServerSettings(host=host)).start()


async def test_listening_in_the_open_with_leave(toy: Any, serve: Any, connect: Any) -> None:
    assert await connect(await serve(toy, host="0.0.0.0", insecure=True)).unary_unary(ECHO)(b"a") == b"a"


async def test_a_port_in_use_is_refused(toy: Any, serve: Any, capfd: pytest.CaptureFixture[str]) -> None:
    server = await serve(toy)
    with pytest.raises(UsageError, match=f"Expected to listen on 127.0.0.1:{server.port}"):
        await Server(toy, ServerSettings(port=server.port)).start()
    capfd.readouterr()


async def test_a_certificate_that_is_none_is_refused(toy: Any, authority: Any, tmp_path: Any) -> None:
    identity = authority("home").issue("server")
    missing = ServerSettings(tls_certificate=tmp_path / "none.pem", tls_key=identity.key)
    with pytest.raises(UsageError, match=r"`tls_certificate` to be a readable file.*none\.pem"):
        await Server(toy, missing).start()
    (tmp_path / "text.pem").write_text("no certificate")
    with pytest.raises(UsageError, match="PEM"):
        await Server(toy, ServerSettings(tls_certificate=tmp_path / "text.pem", tls_key=identity.key)).start()
