"""Addresses and tokens."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.runtime.errors import Unauthenticated
from services.runtime.rpc.security import UsageError, check_address, check_token, is_loopback
from services.runtime.settings import ServerSettings


@pytest.mark.parametrize(
    ("host", "local"),
    [
        ("127.0.0.1", True),
        ("127.9.9.9", True),
        ("::1", True),
        ("[::1]", True),
        ("localhost", True),
        ("0.0.0.0", False),
        ("::", False),
        ("10.0.0.1", False),
        ("127.0.0.1.example.org", False),
        ("localhost.example.org", False),
        ("", False),
    ],
)
def test_loopback(host: str, local: bool) -> None:
    assert is_loopback(host) is local


def test_an_open_address_needs_tls_or_leave() -> None:
    check_address(ServerSettings())
    check_address(ServerSettings(host="0.0.0.0", insecure=True))
    check_address(ServerSettings(host="0.0.0.0", tls_certificate="a", tls_key="b"))
    with pytest.raises(UsageError, match="BABELSCOPE_INSECURE=true"):
        check_address(ServerSettings(host="0.0.0.0"))


@settings(deadline=None)
@given(st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1), st.text(max_size=50))
def test_only_the_token_itself_opens(token: str, other: str) -> None:
    check_token(token, [("authorization", f"Bearer {token}")])
    if other != token:
        with pytest.raises(Unauthenticated):
            check_token(token, [("authorization", f"Bearer {other}")])
    with pytest.raises(Unauthenticated):
        check_token(token, [("other", token)])
