"""Asks a server of this machine for its health: `python -m services.runtime.probe PORT`, for containers.

It asks at the address that the server listens on (`BABELSCOPE_HOST`), and through loopback where that is every address.
With TLS it asks the health port where there is one. Where there is none it asks the server's own port through TLS and
trusts the certificate that the server itself was given, by its own name: what is asked is this machine alone. Where
clients must present certificates, the server's own is presented.
"""

import ipaddress
import os
import socket
import ssl
import sys
from pathlib import Path
from typing import Any

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

TIMEOUT_SECONDS = 5.0
_LOOPBACK = "127.0.0.1"


def port(default: str) -> int:
    """The port that answers health checks without TLS.

    Args:
        default: Used where the environment names neither a health port nor a port.
    """
    health = os.environ.get("BABELSCOPE_HEALTH_PORT", "0")
    return int(health if health != "0" else os.environ.get("BABELSCOPE_PORT", default))


def host() -> str:
    """The address at which this machine reaches the server."""
    given = os.environ.get("BABELSCOPE_HOST", "").strip("[]")
    try:
        is_every = ipaddress.ip_address(given).is_unspecified
    except ValueError:
        return given or _LOOPBACK
    if not is_every:
        return given
    return "::1" if ":" in given else _LOOPBACK


def _channel(number: int) -> grpc.Channel:
    """A channel to the server on a port, which no proxy of the environment may take."""
    options: list[tuple[str, Any]] = [("grpc.enable_http_proxy", 0)]
    listens = host()
    address = f"[{listens}]:{number}" if ":" in listens else f"{listens}:{number}"
    certificate, key, authority = (
        os.environ.get(f"BABELSCOPE_{name}", "") for name in ("TLS_CERTIFICATE", "TLS_KEY", "TLS_CLIENT_CA")
    )
    if not certificate or os.environ.get("BABELSCOPE_HEALTH_PORT", "0") != "0":
        return grpc.insecure_channel(address, options=options)
    name = _name_of((listens, number), certificate, (certificate, key) if authority else None)
    served = Path(certificate).read_bytes()
    identity = (Path(key).read_bytes(), served) if authority else (None, None)
    options.append(("grpc.ssl_target_name_override", name))
    return grpc.secure_channel(address, grpc.ssl_channel_credentials(served, *identity), options=options)


def _name_of(address: tuple[str, int], certificate: str, identity: tuple[str, str] | None) -> str:
    """A name that the server's certificate is for: the first of its alternative names, without a wildcard."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    context.load_verify_locations(certificate)
    context.set_alpn_protocols(["h2"])
    if identity is not None:
        context.load_cert_chain(*identity)
    with socket.create_connection(address, TIMEOUT_SECONDS) as plain, context.wrap_socket(plain) as encrypted:
        presented: Any = encrypted.getpeercert() or {}
    names = [value for kind, value in presented.get("subjectAltName", ()) if kind in {"DNS", "IP Address"}]
    if not names:
        raise ValueError(f"Expected a certificate with alternative names, but {certificate} has none")
    return str(names[0]).replace("*", "probe", 1)


def main() -> int:
    """Returns the exit code: 0 where the server takes requests, 1 where it does not, 2 for a wrong call."""
    if len(sys.argv) != 2 or not sys.argv[1].isdigit():
        sys.stderr.write("Usage: python -m services.runtime.probe PORT\n")
        return 2
    try:
        channel = _channel(port(sys.argv[1]))
    except (OSError, ValueError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    with channel:
        stub: Any = health_pb2_grpc.HealthStub(channel)
        try:
            answer = stub.Check(health_pb2.HealthCheckRequest(), timeout=TIMEOUT_SECONDS)
        except grpc.RpcError as error:
            sys.stderr.write(f"{error.code().name}\n")
            return 1
    return int(answer.status != health_pb2.HealthCheckResponse.SERVING)


if __name__ == "__main__":
    sys.exit(main())
