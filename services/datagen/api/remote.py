"""Translation by another server that speaks the messages of `babelscope.v1.TranslateService`."""

import time
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from typing import Any

import grpc
from babelscope.errors import DeadlineExceeded, InvalidRequest, LimitExceeded, RpcError, Unavailable
from babelscope.errors import NotFound as NotFoundThere
from babelscope.transport.channel import TLS, ClientConfig, is_loopback, open_channel
from babelscope.transport.retry import Contact, Retry, RetryPolicy
from babelscope.transport.status import from_rpc
from babelscope.v1 import text_pb2, translate_pb2, translate_pb2_grpc

from services.datagen.translation.base import Translated
from services.datagen.translation.choice import Choice
from services.datagen.translation.settings import TranslationSettings
from services.runtime import errors, logs

_TEXTS = 256
_CHARACTERS = 64 << 10
_MESSAGE_TEXTS = 64
_METHOD = "TranslateService.Translate"


class RemoteTranslator:
    """Sends texts a window at a time; what a broken call had not brought is asked for again.

    Args:
        config: Address of the server, its retry policy and `stream_timeout`, which is the deadline of a window.
        system: Name of one of the server's systems; the server's default where empty.
        name: Name of the system.
    """

    def __init__(self, config: ClientConfig, system: str, name: str) -> None:
        self._config, self._system, self._name = config, system, name
        self._channel = open_channel(config)
        self._stub = translate_pb2_grpc.TranslateServiceStub(self._channel)
        self._contact = Contact()

    @property
    def name(self) -> str:
        """What it is, for the record."""
        return self._name

    def close(self) -> None:
        """Closes the connection."""
        self._channel.close()

    def translate(self, texts: Iterable[str], source: str, target: str) -> Iterator[Translated]:
        """Translates a stream.

        Raises:
            FailedPrecondition: The server cannot be reached, or died and did not come back in time.
            DeadlinePassed: It took too long.
            ServiceError: What else it refuses.
        """
        spec = translate_pb2.TranslateSpec(source_language=source, target_language=target, system=self._system)
        for window in _windows(texts):
            waiting = dict(enumerate(window))
            found: dict[int, str] = {}
            try:
                given = 0
                for index, text in self._answers(spec, waiting):
                    found[index] = text
                    while given in found:
                        yield Translated(found.pop(given))
                        given += 1
            except RpcError as error:
                raise _ours(error, self._config.address) from error

    def _answers(self, spec: translate_pb2.TranslateSpec, waiting: dict[int, str]) -> Iterator[tuple[int, str]]:
        """All attempts at a window; yields index and translation."""
        retry = Retry(self._config.retry, self._config.stream_timeout, self._contact)
        request_id = self._config.new_request_id()
        while waiting:
            broken: grpc.RpcError | None = None
            order = list(waiting)
            call: Any = self._stub.Translate(
                iter(list(_requests(spec, waiting))),
                timeout=retry.remaining(),
                metadata=self._config.metadata(request_id),
            )
            try:
                for response in call:
                    retry.accepted()
                    for one in response.translations:
                        index = order[one.index] if 0 <= one.index < len(order) else -1
                        if index not in waiting:
                            raise Unavailable(
                                f"an answer for text {one.index}, which was not asked for", retry_after=None
                            )
                        retry.progressed()
                        del waiting[index]
                        yield index, one.text
                if waiting:
                    raise Unavailable(f"the stream ended without {len(waiting)} translations", method=_METHOD)
            except grpc.RpcError as error:
                broken = error
            finally:
                call.cancel()
            if broken is not None and waiting:
                status: Any = broken
                time.sleep(
                    retry.delay(from_rpc(status, method=_METHOD, address=self._config.address, request_id=request_id))
                )


def open_remote(settings: TranslationSettings, choice: Choice) -> RemoteTranslator:
    """A system of another server.

    Args:
        settings: Allowed servers and how they are reached.
        choice: Address of the server and name of its system.

    Raises:
        InvalidArgument: The server is not allowed, or is another machine and would be reached without TLS.
    """
    address = choice.reference
    if address not in settings.translation_servers:
        offered = ", ".join(settings.translation_servers) or "none"
        problem = f"Expected one of the servers that the settings allow ({offered}), but got {address!r}"
        raise errors.InvalidArgument("options[address]", problem)
    tls = TLS(root=settings.translation_ca) if settings.translation_tls else None
    if tls is None and not is_loopback(address):
        problem = f"Expected TLS (translation_tls) for {address}, which is another machine"
        raise errors.InvalidArgument("options[address]", problem)
    patience = RetryPolicy(
        patience=settings.translation_patience, first_patience=min(10.0, settings.translation_patience)
    )
    token = settings.translation_token
    config = ClientConfig(
        address,
        tls=tls,
        token=None if token is None else token.get_secret_value(),
        request_id=logs.request_id.get,
        stream_timeout=settings.translation_seconds,
        retry=patience,
    )
    return RemoteTranslator(config, choice.system, choice.name)


def _windows(texts: Iterable[str]) -> Iterator[list[str]]:
    held: list[str] = []
    size = 0
    for text in texts:
        if held and (len(held) >= _TEXTS or size + len(text) > _CHARACTERS):
            yield held
            held, size = [], 0
        held.append(text)
        size += len(text)
    if held:
        yield held


def _requests(
    spec: translate_pb2.TranslateSpec, waiting: Mapping[int, str]
) -> Iterator[translate_pb2.TranslateRequest]:
    yield translate_pb2.TranslateRequest(spec=spec)
    left = iter(waiting.items())
    while portion := list(islice(left, _MESSAGE_TEXTS)):
        texts = [text_pb2.Text(id=str(i), text=text, language=spec.source_language) for i, text in portion]
        yield translate_pb2.TranslateRequest(texts=translate_pb2.TranslateTexts(texts=texts))


def _ours(error: RpcError, address: str) -> errors.ServiceError:
    """The other server's error as one of this."""
    problem = f"the translation server at {address}: {error.message}"
    match error:
        case DeadlineExceeded():
            return errors.DeadlinePassed(problem)
        case InvalidRequest():
            return errors.InvalidArgument("options[system]", problem)
        case NotFoundThere():
            return errors.NotFound("translation system", error.name or "", error.nearby, problem)
        case LimitExceeded():
            return errors.LimitExceeded("translation", problem)
    # Gone for as long as this server's patience, it is no reason for the client to begin anew.
    return errors.FailedPrecondition("translation", problem)
