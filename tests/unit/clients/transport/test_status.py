"""gRPC statuses with their details as the library's errors."""

from collections.abc import Iterable

import grpc
import pytest
from babelscope import errors
from babelscope.transport.status import from_rpc
from google.protobuf import any_pb2, duration_pb2
from google.protobuf.message import Message
from google.rpc import error_details_pb2 as details_pb2
from google.rpc import status_pb2


class Answer:
    """What both twins' errors offer."""

    def __init__(self, code: grpc.StatusCode, text: str, *details: Message, request_id: str = "") -> None:
        self._code, self._text = code, text
        self._trailer: list[tuple[str, str | bytes]] = []
        if details:
            packed = []
            for detail in details:
                item = any_pb2.Any()
                item.Pack(detail)
                packed.append(item)
            status = status_pb2.Status(code=code.value[0], message=text, details=packed)
            self._trailer.append(("grpc-status-details-bin", status.SerializeToString()))
        if request_id:
            self._trailer.append(("x-request-id", request_id))

    def code(self) -> grpc.StatusCode:
        return self._code

    def details(self) -> str:
        return self._text

    def trailing_metadata(self) -> Iterable[tuple[str, str | bytes]]:
        return self._trailer


def _translate(*args: object, **kwargs: str) -> errors.RpcError:
    answer = Answer(*args, **kwargs)  # type: ignore[arg-type]
    return from_rpc(answer, method="EncoderService.Encode", address="host:1", request_id="mine")


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("INVALID_ARGUMENT", errors.InvalidRequest),
        ("OUT_OF_RANGE", errors.InvalidRequest),
        ("NOT_FOUND", errors.NotFound),
        ("FAILED_PRECONDITION", errors.Refused),
        ("UNAUTHENTICATED", errors.Refused),
        ("PERMISSION_DENIED", errors.Refused),
        ("UNIMPLEMENTED", errors.Refused),
        ("ALREADY_EXISTS", errors.Refused),
        ("RESOURCE_EXHAUSTED", errors.LimitExceeded),
        ("UNAVAILABLE", errors.Unavailable),
        ("ABORTED", errors.Unavailable),
        ("DEADLINE_EXCEEDED", errors.DeadlineExceeded),
        ("DATA_LOSS", errors.DataCorrupted),
        ("CANCELLED", errors.Cancelled),
        ("INTERNAL", errors.ServerFault),
        ("UNKNOWN", errors.ServerFault),
    ],
)
def test_each_status_has_its_error(code: str, kind: type[errors.RpcError]) -> None:
    error = _translate(grpc.StatusCode[code], "what happened")
    assert type(error) is kind
    assert error.status == code
    assert error.method == "EncoderService.Encode"
    assert error.request_id == "mine"


def test_a_bad_request_names_its_field() -> None:
    violation = details_pb2.BadRequest.FieldViolation(field="spec.layers[2]", description="Expected 0..12, but got 14")
    text = "spec.layers[2]: Expected 0..12, but got 14"
    error = _translate(grpc.StatusCode.INVALID_ARGUMENT, text, details_pb2.BadRequest(field_violations=[violation]))
    assert isinstance(error, errors.InvalidRequest)
    assert (error.field, error.problem) == ("spec.layers[2]", "Expected 0..12, but got 14")
    assert str(error) == text


def test_a_field_that_the_message_lacks_is_put_in_front() -> None:
    violation = details_pb2.BadRequest.FieldViolation(field="spec.model", description="wrong")
    error = _translate(grpc.StatusCode.INVALID_ARGUMENT, "bad", details_pb2.BadRequest(field_violations=[violation]))
    assert str(error) == "spec.model: bad"


def test_names_nearby_come_along() -> None:
    error = _translate(
        grpc.StatusCode.NOT_FOUND,
        "there is none",
        details_pb2.ResourceInfo(resource_type="model", resource_name="brt"),
        details_pb2.ErrorInfo(reason="NOT_FOUND", metadata={"nearby": "bert, bart"}),
    )
    assert isinstance(error, errors.NotFound)
    assert (error.kind, error.name, error.nearby) == ("model", "brt", ("bert", "bart"))


def test_a_limit_names_itself_and_when_to_come_back() -> None:
    delay = duration_pb2.Duration(seconds=2, nanos=500_000_000)
    quota = details_pb2.QuotaFailure(violations=[details_pb2.QuotaFailure.Violation(subject="max_streams")])
    error = _translate(grpc.StatusCode.RESOURCE_EXHAUSTED, "full", quota, details_pb2.RetryInfo(retry_delay=delay))
    assert isinstance(error, errors.LimitExceeded)
    assert (error.subject, error.retry_after) == ("max_streams", 2.5)
    assert _translate(grpc.StatusCode.RESOURCE_EXHAUSTED, "too long").retry_after is None


def test_a_server_that_is_down_is_named_and_one_that_answers_speaks_for_itself() -> None:
    error = _translate(grpc.StatusCode.UNAVAILABLE, "connection refused")
    assert str(error) == "EncoderService.Encode at host:1 cannot be reached: connection refused"
    delay = duration_pb2.Duration(seconds=3)
    error = _translate(grpc.StatusCode.UNAVAILABLE, "loading", details_pb2.RetryInfo(retry_delay=delay))
    assert (str(error), error.retry_after) == ("loading", 3.0)


def test_the_servers_request_id_counts() -> None:
    fault = grpc.StatusCode.INTERNAL
    assert _translate(fault, "x", details_pb2.RequestInfo(request_id="theirs")).request_id == "theirs"
    assert _translate(fault, "x", request_id="trailer").request_id == "trailer"
    assert str(_translate(fault, "x")) == "EncoderService.Encode failed: x (request mine)"


@pytest.mark.parametrize("text", ["Stream removed", "Received RST_STREAM with error code 2", "Socket closed"])
@pytest.mark.parametrize("code", [grpc.StatusCode.UNKNOWN, grpc.StatusCode.INTERNAL])
def test_a_connection_that_broke_is_no_fault_of_the_server(code: grpc.StatusCode, text: str) -> None:
    assert isinstance(_translate(code, text), errors.Unavailable)


def test_details_that_cannot_be_read_are_left_out() -> None:
    answer = Answer(grpc.StatusCode.INVALID_ARGUMENT, "bad")
    answer._trailer.append(("grpc-status-details-bin", b"\xff\xff\xff"))
    error = from_rpc(answer, method="m")
    assert isinstance(error, errors.InvalidRequest)
    assert (error.field, error.problem) == ("", "bad")
