"""Who may connect: loopback, TLS, mutual TLS, a bearer token."""

import hmac
import ipaddress
from collections.abc import Iterable
from pathlib import Path

import grpc

from services.runtime.errors import Unauthenticated
from services.runtime.settings import ServerSettings

TOKEN_KEY = "authorization"  # noqa: S105 - the name of a header
_SCHEME = "bearer "


class UsageError(Exception):
    """Settings that a server cannot start with; the message is for the person who starts it."""


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach an address.

    Args:
        host: An address, or `localhost`.

    Returns:
        False for every other name: what it resolves to may change.
    """
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def check_address(settings: ServerSettings) -> None:
    """Refuses to listen in the open.

    Args:
        settings: Of the server.

    Raises:
        UsageError: For an address other than loopback, without TLS and without leave.
    """
    if settings.tls_certificate is None and not settings.insecure and not is_loopback(settings.host):
        raise UsageError(
            f"Expected `host` to be a loopback address, or TLS, but got {settings.host!r} without: set "
            "BABELSCOPE_TLS_CERTIFICATE and BABELSCOPE_TLS_KEY, or BABELSCOPE_INSECURE=true to listen in the open"
        )


def server_credentials(settings: ServerSettings) -> grpc.ServerCredentials | None:
    """The server's side of TLS.

    Args:
        settings: Of the server.

    Returns:
        Credentials, which ask clients for certificates where `tls_client_ca` is set; None without TLS.

    Raises:
        UsageError: Where a file cannot be read.
    """
    if settings.tls_certificate is None or settings.tls_key is None:
        return None
    chain = _read(settings.tls_certificate, "tls_certificate")
    key = _read(settings.tls_key, "tls_key")
    authority = None if settings.tls_client_ca is None else _read(settings.tls_client_ca, "tls_client_ca")
    return grpc.ssl_server_credentials(
        [(key, chain)], root_certificates=authority, require_client_auth=authority is not None
    )


def _read(path: Path, field: str) -> bytes:
    """A PEM file's bytes."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise UsageError(f"Expected `{field}` to be a readable file, but got {path}: {error.strerror}") from None
    if b"-----BEGIN " not in data:
        raise UsageError(f"Expected `{field}` to be a PEM file, but {path} has no PEM block")
    return data


def check_token(expected: str, metadata: Iterable[tuple[str, str | bytes]]) -> None:
    """Compares a client's token with the server's, in a time that does not depend on where they differ.

    Args:
        expected: The server's token.
        metadata: Of the RPC.

    Raises:
        Unauthenticated: Without a token, or with another one.
    """
    given = [value for key, value in metadata if key.lower() == TOKEN_KEY]
    if not given:
        raise Unauthenticated("Expected metadata `authorization: Bearer TOKEN`, but got none")
    header = given[0] if isinstance(given[0], str) else given[0].decode("latin-1")
    token = header[len(_SCHEME) :] if header[: len(_SCHEME)].lower() == _SCHEME else ""
    if len(given) > 1 or not hmac.compare_digest(token.encode(), expected.encode()):
        raise Unauthenticated("Expected the server's token in metadata `authorization`, but got another")
