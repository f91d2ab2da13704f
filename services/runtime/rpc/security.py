"""Who may connect: only this machine unless there is TLS, and only who knows the token."""

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


def bearer_token(metadata: Iterable[tuple[str, str | bytes]]) -> str:
    """The token that a client presents.

    Args:
        metadata: Metadata of the RPC.

    Returns:
        The token; empty, which is nobody's, where the header has another form.

    Raises:
        Unauthenticated: There is no token, or more than one.
    """
    given = [value for key, value in metadata if key.lower() == TOKEN_KEY]
    if not given:
        raise Unauthenticated("Expected metadata `authorization: Bearer TOKEN`, but got none")
    header = given[0] if isinstance(given[0], str) else given[0].decode("latin-1")
    if len(given) > 1:
        raise Unauthenticated(f"Expected one token in metadata `authorization`, but got {len(given)}")
    return header[len(_SCHEME) :] if header[: len(_SCHEME)].lower() == _SCHEME else ""
