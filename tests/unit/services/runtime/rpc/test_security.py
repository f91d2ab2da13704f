"""Addresses and tokens."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.runtime.callers.accounts import UNNAMED
from services.runtime.callers.known import Callers
from services.runtime.errors import Unauthenticated
from services.runtime.rpc.security import UsageError, bearer_token, check_address, is_loopback
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
    callers = Callers(token)
    assert callers.identify(bearer_token([("authorization", f"Bearer {token}")])).name == UNNAMED
    if other != token:
        with pytest.raises(Unauthenticated):
            callers.identify(bearer_token([("authorization", f"Bearer {other}")]))


@pytest.mark.parametrize(
    "metadata",
    [
        (),
        (("other", "Bearer right"),),
        (("authorization", "right"),),
        (("authorization", "Basic right"),),
        (("authorization", "Bearer right"), ("authorization", "Bearer right")),
    ],
)
def test_a_token_has_one_place_and_one_form(metadata: tuple[tuple[str, str], ...]) -> None:
    with pytest.raises(Unauthenticated):
        Callers("right").identify(bearer_token(metadata))
