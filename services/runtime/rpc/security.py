"""Who may connect: only this machine unless there is TLS, and only who knows the token."""

import hmac
import ipaddress
from collections.abc import Iterable

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
        settings: Settings of the server.

    Raises:
        UsageError: For an address other than loopback, without TLS and without leave.
    """
    if settings.tls_certificate is None and not settings.insecure and not is_loopback(settings.host):
        raise UsageError(
            f"Expected `host` to be a loopback address, or TLS, but got {settings.host!r} without: set "
            "BABELSCOPE_TLS_CERTIFICATE and BABELSCOPE_TLS_KEY, or BABELSCOPE_INSECURE=true to listen in the open"
        )


def check_token(expected: str, metadata: Iterable[tuple[str, str | bytes]]) -> None:
    """Compares a client's token with the server's, in a time that does not depend on where they differ.

    Args:
        expected: The server's token.
        metadata: Metadata of the RPC.

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
