"""Errors to statuses."""

import grpc
import pytest
from babelscope import errors as client_errors
from hypothesis import given, settings
from hypothesis import strategies as st

from services.runtime import errors
from services.runtime.rpc import status

EVERY = [
    errors.InvalidArgument("f", "p"),
    errors.NotFound("model", "n", ["a"]),
    errors.FailedPrecondition("s", "r"),
    errors.LimitExceeded("s", "p", 1.0),
    errors.Unavailable("p"),
    errors.DeadlinePassed("p"),
    errors.Unauthenticated("p"),
    errors.DataLoss("p"),
]


def test_every_error_of_the_house_has_a_status_of_its_own() -> None:
    assert {type(error) for error in EVERY} == set(errors.ServiceError.__subclasses__())
    codes = [status.to_status(error, "id").code for error in EVERY]
    assert len(set(codes)) == len(codes)
    assert grpc.StatusCode.INTERNAL.value[0] not in codes


def test_an_unknown_error_is_internal_and_silent() -> None:
    answer = status.to_status(KeyError("secret"), "id-7")
    assert answer.code == grpc.StatusCode.INTERNAL.value[0]
    assert "secret" not in str(answer)
    assert "id-7" in str(answer)


@pytest.mark.parametrize("name", [code.name for code in grpc.StatusCode if code is not grpc.StatusCode.OK])
def test_an_error_of_another_server_keeps_its_status(name: str) -> None:
    answer = status.to_status(client_errors.Refused("no", status=name), "id")
    assert status.status_code(answer.code).name == name


@settings(deadline=None)
@given(st.text(max_size=3000), st.text(max_size=3000), st.lists(st.text(max_size=300), max_size=30))
def test_a_status_fits_the_headers_whatever_a_client_sends(kind: str, name: str, nearby: list[str]) -> None:
    for error in (
        errors.NotFound(kind, name, nearby),
        errors.InvalidArgument(name, kind),
        errors.FailedPrecondition(name, kind),
        errors.LimitExceeded(name, kind, 1.0),
    ):
        answer = status.to_status(error, "x" * 128)
        encoded = 3 * len(answer.message.encode()) + len(answer.SerializeToString()) * 4 / 3
        assert encoded < 8192 - 512


@settings(deadline=None)
@given(st.text(max_size=2000), st.integers(4, 500))
def test_clipped_text_is_a_beginning(text: str, limit: int) -> None:
    clipped = status.clip(text, limit)
    assert clipped == text or text.startswith(clipped.removesuffix("..."))
    assert len(clipped.encode()) <= limit + 3


def test_clip_takes_text_that_is_no_unicode() -> None:
    assert status.clip("\ud800") == "?"


def test_a_code_that_is_none_is_unknown() -> None:
    assert status.status_code(99) is grpc.StatusCode.UNKNOWN
