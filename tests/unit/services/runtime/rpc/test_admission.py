from contextlib import ExitStack
from dataclasses import dataclass

import pytest

from services.runtime.callers.accounts import Account, Limits
from services.runtime.callers.known import Callers
from services.runtime.errors import LimitExceeded, Unavailable
from services.runtime.rpc.admission import Admission, caller_of, client_of


@dataclass
class Caller:
    """The part of an RPC's context that says who calls."""

    address: str
    certificate: bytes = b""

    def peer(self) -> str:
        return self.address

    def peer_identities(self) -> list[bytes] | None:
        return [self.certificate] if self.certificate else None

    def invocation_metadata(self) -> tuple[tuple[str, str], ...]:
        return ()


ANYBODY = Account("anonymous")


@pytest.mark.parametrize(
    ("caller", "client"),
    [
        (Caller("ipv4:10.0.0.7:51234"), "ipv4:10.0.0.7"),
        (Caller("ipv4:10.0.0.7:51235"), "ipv4:10.0.0.7"),
        (Caller("ipv6:%5B2001:db8::1%5D:443"), "ipv6:[2001:db8::1]"),
        (Caller("ipv4:10.0.0.7:51234", b"team-a"), "team-a"),
    ],
)
def test_a_client_is_its_certificate_or_its_address_whatever_the_connection(caller: Caller, client: str) -> None:
    assert client_of(caller) == client


def test_a_caller_is_its_name_and_only_without_one_where_it_calls_from() -> None:
    here, there = Caller("ipv4:10.0.0.7:1"), Caller("ipv4:10.0.0.8:1", b"x" * 1000)
    assert caller_of(Account("ada"), here) == caller_of(Account("ada"), there) == "ada"
    for name in ("anonymous", "unnamed"):
        assert caller_of(Account(name), here) == f"{name} ipv4:10.0.0.7"
        assert len(caller_of(Account(name), there)) == 255


def test_no_client_holds_all_places() -> None:
    admission = Admission(Callers(), max_streams=4, max_client_streams=3)
    admission.ready = True
    with ExitStack() as held:
        for port in range(3):
            held.enter_context(admission.place(Caller(f"ipv4:10.0.0.7:{port}"), ANYBODY))
        with pytest.raises(LimitExceeded, match="at most 3 RPCs at once from one client") as caught:
            held.enter_context(admission.place(Caller("ipv4:10.0.0.7:9"), ANYBODY))
        assert caught.value.subject == "max_client_streams"
        held.enter_context(admission.place(Caller("ipv4:10.0.0.8:1"), ANYBODY))
        with pytest.raises(LimitExceeded, match="at most 4 RPCs at once") as caught:
            held.enter_context(admission.place(Caller("ipv4:10.0.0.9:1"), ANYBODY))
        assert caught.value.subject == "max_streams"
    assert admission.running == 0
    with admission.place(Caller("ipv4:10.0.0.7:9"), ANYBODY):
        assert admission.running == 1


def test_nobody_comes_in_before_the_server_is_ready() -> None:
    admission = Admission(Callers(), max_streams=4, max_client_streams=3)
    with pytest.raises(Unavailable), admission.place(Caller("ipv4:10.0.0.7:1"), ANYBODY):
        pass
    assert admission.running == 0


def test_a_caller_with_a_limit_of_its_own_has_it_wherever_it_calls_from() -> None:
    admission = Admission(Callers(), max_streams=8, max_client_streams=1)
    admission.ready = True
    ada, bob = Account("ada", Limits(streams=2)), Account("bob")
    with ExitStack() as held:
        held.enter_context(admission.place(Caller("ipv4:10.0.0.7:1"), ada))
        held.enter_context(admission.place(Caller("ipv4:10.0.0.8:1"), ada))
        with pytest.raises(LimitExceeded, match="at most 2 RPCs at once from caller ada") as caught:
            held.enter_context(admission.place(Caller("ipv4:10.0.0.9:1"), ada))
        assert (caught.value.subject, caught.value.retry_after) == ("streams", 1.0)
        # Two callers behind one address do not share a place.
        held.enter_context(admission.place(Caller("ipv4:10.0.0.7:2"), bob))
        assert (ada.running, bob.running, ada.begun) == (2, 1, 2)
    assert (ada.running, bob.running) == (0, 0)
    assert ada.refusals == {"streams": 1}
