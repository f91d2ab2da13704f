"""Addresses, options, credentials and health."""

import pytest
from babelscope import connect
from babelscope.transport.channel import TLS, ClientConfig, is_loopback, mesh_addresses
from babelscope.transport.health import decode_response, encode_request
from babelscope.transport.services import SERVICES
from grpc_health.v1 import health_pb2


@pytest.mark.parametrize(
    ("address", "encoder", "metrics"),
    [
        ("host", "host:50051", "host:50052"),
        (" 10.0.0.1 ", "10.0.0.1:50051", "10.0.0.1:50052"),
        ("::1", "[::1]:50051", "[::1]:50052"),
        ("[::1]", "[::1]:50051", "[::1]:50052"),
        ("dns:///mesh.team", "dns:///mesh.team:50051", "dns:///mesh.team:50052"),
        ("encoder=a:1,metrics=b:2", "a:1", "b:2"),
        ("encoder=dns:///e:1, metrics=dns:///m:2", "dns:///e:1", "dns:///m:2"),
    ],
)
def test_a_meshs_address(address: str, encoder: str, metrics: str) -> None:
    found = mesh_addresses(address)
    assert {name: found.get(name) for name in ("encoder", "metrics")} == {"encoder": encoder, "metrics": metrics}
    assert found.keys() == ({"encoder", "metrics"} if "=" in address else {"encoder", "metrics", "datagen", "trainer"})


def test_a_mesh_may_lack_a_service() -> None:
    with connect("encoder=127.0.0.1:1") as mesh:
        assert mesh.addresses == {"encoder": "127.0.0.1:1"}
        with pytest.raises(LookupError, match="add metrics=HOST:PORT"):
            _ = mesh.metrics


@pytest.mark.parametrize(
    ("address", "problem"),
    [
        ("host:50051", "Expected a mesh's address as HOST"),
        ("dns:///host:1", "Expected a mesh's address as HOST"),
        ("", "Expected a mesh's address as HOST"),
        ("judge=a:1", "Expected services of encoder, metrics, datagen, trainer, but got 'judge'"),
        ("encoder=", "Expected NAME=HOST:PORT, but got 'encoder='"),
    ],
)
def test_what_is_no_address_is_refused(address: str, problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        mesh_addresses(address)


@pytest.mark.parametrize(
    ("address", "own"),
    [
        ("127.0.0.1:1", True),
        ("localhost:1", True),
        ("[::1]:1", True),
        ("unix:/tmp/x", True),
        ("unix:///tmp/x", True),
        ("unix-abstract:x", True),
        ("LOCALHOST.:1", True),
        ("::1", True),
        ("dns:localhost:1", True),
        ("dns:///127.0.0.1:1", True),
        ("ipv4:127.0.0.1:1,127.0.0.2:2", True),
        ("ipv6:[::1]:1", True),
        ("ipv6:%5B::1%5D:1", False),
        ("10.0.0.1:1", False),
        ("dns:///host:1", False),
        ("unix-gpu.example.org:50051", False),
        ("unix.example.org", False),
        ("unix", False),
        ("localhost.example.org:1", False),
        ("127.0.0.1.example.org:1", False),
        ("xn--lcalhost-54a:1", False),
        ("l\u043ecalhost:1", False),
        ("dns://127.0.0.1/far:1", False),
        ("ipv4:127.0.0.1:1,10.0.0.1:1", False),
        ("ipv6:[2001:db8::1]:1", False),
        ("xds:///localhost:1", False),
        ("far/localhost:1", False),
        ("", False),
    ],
)
def test_whose_address_it_is(address: str, own: bool) -> None:
    assert is_loopback(address) is own
    assert dict(ClientConfig(address).options())["grpc.enable_http_proxy"] == (0 if own else 1)


def test_a_token_does_not_travel_in_the_open() -> None:
    with pytest.raises(ValueError, match="Expected `tls` beside `token`"):
        ClientConfig("far:1", token="t")
    assert ClientConfig("far:1", token="t", insecure=True).metadata("id")[1] == ("authorization", "Bearer t")
    assert ClientConfig("127.0.0.1:1").metadata("id") == (("x-request-id", "id"),)
    assert "secret" not in repr(ClientConfig("127.0.0.1:1", token="secret"))


def test_missing_keys_are_said() -> None:
    with pytest.raises(OSError, match="no-such"):
        TLS(root="/no-such/ca.pem").credentials()


def test_the_clients_options_balance_and_keep_alive() -> None:
    options = dict(ClientConfig("host:1").options())
    assert "round_robin" in str(options["grpc.service_config"])
    assert int(options["grpc.keepalive_time_ms"]) >= 10_000, "servers allow a ping every ten seconds"


@pytest.mark.parametrize("name", [service.full_name for service in SERVICES.values()])
def test_health_requests_are_those_of_the_standard(name: str) -> None:
    assert encode_request(name) == health_pb2.HealthCheckRequest(service=name).SerializeToString()


@pytest.mark.parametrize(
    ("number", "state"), [(0, "unknown"), (1, "serving"), (2, "not serving"), (3, "service unknown")]
)
def test_health_answers_are_read(number: int, state: str) -> None:
    assert decode_response(health_pb2.HealthCheckResponse(status=number).SerializeToString()) == state  # type: ignore[arg-type]


def test_a_service_that_is_not_there_is_unreachable() -> None:
    with connect("127.0.0.1") as mesh:
        status = mesh.status(timeout=2)
    assert [each.name for each in status] == ["encoder", "metrics", "datagen", "trainer"]
    assert not any(each.serving for each in status)
