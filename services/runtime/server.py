"""A server from its start to its end: listen, load, serve, drain.

start    port open, health NOT_SERVING, RPCs refused with UNAVAILABLE
load     `Service.start`; then health SERVING
notice   on SIGTERM or SIGINT: health NOT_SERVING, while RPCs are still taken for `drain_notice_seconds`, so that load
         balancers and clients that watch health send new ones elsewhere
drain    GOAWAY on every connection; running RPCs end or are cut after `drain_seconds`
stop     `Service.stop`; a second signal cuts notice and drain short

The notice is what loses nothing. gRPC's server sends GOAWAY only as it shuts down, and cancels a call that arrives
between its GOAWAY and the client's reading of it, so that a client that learns of the drain by GOAWAY alone can see
CANCELLED for the calls that were on their way.
"""

import asyncio
import contextlib
import logging
import os
import sys
import threading
from collections.abc import Callable
from typing import Any, Protocol

import grpc
from babelscope.data.atomic import write_atomically
from babelscope.transport import tracing
from grpc_health.v1 import health_pb2_grpc

from services.runtime import logs
from services.runtime.callers.files import CallersError
from services.runtime.callers.known import Callers
from services.runtime.errors import ServiceError
from services.runtime.memory import spare_what_stays
from services.runtime.process.limits import open_as_many_as_allowed
from services.runtime.process.signals import TAKEN
from services.runtime.rpc import reflection, security, tls
from services.runtime.rpc.admission import Admission
from services.runtime.rpc.health import SERVICE as HEALTH
from services.runtime.rpc.health import Health
from services.runtime.rpc.inbox import Inbox
from services.runtime.rpc.interceptor import Door
from services.runtime.settings import EXIT_FAILED, EXIT_USAGE, ServerSettings
from services.runtime.telemetry import Telemetry

log = logging.getLogger(__name__)

# What a service may take to release threads and files once the RPCs are gone.
STOP_SECONDS = 10.0
# How long a broken service says NOT_SERVING and refuses RPCs before its process ends: those that fail learn why.
LAST_WORDS_SECONDS = 1.0
# Time after which a thread that computes hands Python's lock over, so that the event loop waits for few of them: less
# than Python's own 5 ms.
SWITCH_SECONDS = 0.001
# How often the file of callers is looked at.
CALLERS_SECONDS = 1.0


class Service(Protocol):
    """What a server serves.

    A service that can break for good by itself also has an attribute `broken`, an `asyncio.Event`. A GPU that fails in
    the midst of an RPC breaks every server.
    """

    @property
    def name(self) -> str:
        """Full gRPC name, `babelscope.v1.EncoderService`."""

    def register(self, server: grpc.aio.Server) -> None:
        """Adds the servicer to the server."""

    async def start(self) -> None:
        """Loads what is needed; the service is SERVING once this returns."""

    async def stop(self) -> None:
        """Releases threads and files, after the drain."""


class Server:
    """One service behind one port.

    Args:
        service: The service to serve.
        settings: Address, security, limits.
        telemetry: Metrics that count the RPCs; a service with metrics of its own passes the object that holds them.
    """

    def __init__(self, service: Service, settings: ServerSettings, telemetry: Telemetry | None = None) -> None:
        self.settings = settings
        self.telemetry = telemetry or Telemetry()
        self.health = Health([service.name])
        self.port = 0
        self._service = service
        self._watches: list[asyncio.Task[None]] = []
        self._draining = asyncio.Event()
        self._cut = asyncio.Event()
        self._stopped = asyncio.Event()
        self._started = False
        broken = getattr(service, "broken", None)
        self.broken: asyncio.Event = broken if isinstance(broken, asyncio.Event) else asyncio.Event()
        """Set once the service can serve no more until its process is started anew."""
        self._servers: list[grpc.aio.Server] = []
        self._stop_prometheus: Callable[[], None] | None = None
        self._end_traces: Callable[[], None] | None = None
        token = settings.token.get_secret_value() if settings.token else None
        try:
            self._callers = Callers(token, settings.callers)
        except CallersError as error:
            raise security.UsageError(f"callers: {error}") from None
        self.telemetry.watch_callers(lambda: self._callers.accounts)
        self._admission = Admission(
            self._callers, max_streams=settings.max_streams, max_client_streams=settings.client_streams
        )
        self._inbox = Inbox(
            settings.received_bytes,
            max_message_bytes=settings.max_message_bytes,
            wait_seconds=settings.idle_seconds,
        )
        self._door = self._make_door()

    def _make_door(self) -> Door:
        """A door for one of the servers: it remembers the methods of that server alone."""
        return Door(
            self.telemetry,
            self._admission,
            inbox=self._inbox,
            idle_seconds=self.settings.idle_seconds,
            read_seconds=self.settings.read_seconds,
            infrastructure=frozenset({HEALTH, *reflection.SERVICES}),
            broken=self.broken,
        )

    async def start(self) -> int:
        """Listens, loads the service, and lets requests in.

        Returns:
            The bound port.

        Raises:
            UsageError: Where the settings do not let it listen.
        """
        security.check_address(self.settings)
        if self.settings.otlp_endpoint is not None:
            name = f"babelscope-{self._service.name.rpartition('.')[2].removesuffix('Service').lower()}"
            try:
                self._end_traces = tracing.export(self.settings.otlp_endpoint, name)
            except tracing.TracingError as error:
                raise security.UsageError(str(error)) from None
        credentials = tls.server_credentials(self.settings)
        await self._listen(credentials)
        log.info("listening", extra={"host": self.settings.host, "port": self.port, "tls": credentials is not None})
        self._started = True
        await self._service.start()
        if not self._draining.is_set():
            self._admission.ready = True
            self.health.set_serving(True)
            self._watches += [asyncio.create_task(self._watch_for_break()), asyncio.create_task(self._watch_callers())]
            log.info("serving", extra={"service": self._service.name})
        return self.port

    async def _watch_for_break(self) -> None:
        """Takes a service that broke out of the balance at once: nothing that it is sent can be answered."""
        await self.broken.wait()
        self._admission.ready = False
        self.health.set_serving(False)
        log.error("service broken", extra={"service": self._service.name})

    async def _watch_callers(self) -> None:
        """Reads the callers anew whenever their file changes."""
        while self.settings.callers is not None:
            await asyncio.sleep(CALLERS_SECONDS)
            await asyncio.to_thread(self._callers.refresh)

    async def wait(self) -> None:
        """Returns when the server has stopped."""
        await self._stopped.wait()

    async def drain(self, seconds: float | None = None) -> None:
        """Says NOT_SERVING, sends clients elsewhere, lets running RPCs end or cuts them, and stops the service.

        Args:
            seconds: Time that the RPCs have after the notice; `drain_seconds` where not given. With 0.0 there is no
                notice either. A second call ends the notice of the first one and, with less time, cuts it short.
        """
        grace = self.settings.drain_seconds if seconds is None else seconds
        first = not self._draining.is_set()
        self._draining.set()
        for watch in self._watches:
            watch.cancel()
        self.health.set_serving(False)
        if not first:
            self._cut.set()
        elif seconds != 0.0 and self._admission.ready:
            await self._give_notice()
        self.health.close()
        # `stop` sends GOAWAY at once. The door stays open for what was accepted before: to refuse it would lose it.
        log.info("draining", extra={"seconds": grace, "running": self._door.running})
        await asyncio.gather(*(server.stop(grace) for server in self._servers))
        if not first:
            await self._stopped.wait()
            return
        self._inbox.close()
        try:
            if self._started:
                await asyncio.wait_for(self._service.stop(), STOP_SECONDS)
        except TimeoutError:
            log.error("stop takes too long", extra={"seconds": STOP_SECONDS})
        finally:
            if self._stop_prometheus is not None:
                await asyncio.to_thread(self._stop_prometheus)
            if self._end_traces is not None:
                await asyncio.to_thread(self._end_traces)
            if self.settings.port_file is not None:
                self.settings.port_file.unlink(missing_ok=True)
            self._stopped.set()
            log.info("stopped")

    async def _give_notice(self) -> None:
        """Goes on serving for a while after health said NOT_SERVING."""
        seconds = self.settings.drain_notice_seconds
        log.info("notice", extra={"seconds": seconds, "running": self._door.running})
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._cut.wait(), seconds)

    async def _listen(self, credentials: grpc.ServerCredentials | None) -> None:
        """Opens the ports."""
        settings = self.settings
        main = grpc.aio.server(interceptors=[self._door], options=_options(settings))
        self._service.register(main)
        health_pb2_grpc.add_HealthServicer_to_server(self.health, main)
        reflection.register(main, (self._service.name, HEALTH), self._draining)
        self.port = _bind(main, settings.host, settings.port, credentials)
        self._servers.append(main)
        if settings.health_port:
            # Behind the door as well: silent streams would take every place that gRPC itself could bound them by.
            probe = grpc.aio.server(interceptors=[self._make_door()], options=_options(settings))
            health_pb2_grpc.add_HealthServicer_to_server(self.health, probe)
            _bind(probe, settings.host, settings.health_port, None)
            self._servers.append(probe)
        if settings.prometheus_port:
            try:
                self._stop_prometheus = self.telemetry.serve(settings.host, settings.prometheus_port)
            except OSError as error:
                raise security.UsageError(
                    f"Expected `prometheus_port` {settings.prometheus_port} to be free: {error.strerror}"
                ) from None
        for server in self._servers:
            await server.start()
        if settings.port_file is not None:
            await asyncio.to_thread(write_atomically, settings.port_file, f"{self.port}\n")


def _options(settings: ServerSettings) -> list[tuple[str, Any]]:
    """Settings as gRPC's channel arguments."""
    options: list[tuple[str, Any]] = [
        # The door refuses what is over the limit, with details. gRPC itself refuses only what is far over it, before it
        # is in memory: to a handler that looks like the end of the client's stream, until it is cancelled.
        ("grpc.max_receive_message_length", 2 * settings.max_message_bytes),
        ("grpc.max_send_message_length", settings.max_message_bytes),
        # Each stream may have 64 KiB on their way before anybody reads them, and as much of a message as is asked for
        # from then on. The probe would widen that to 16 MB a stream, all of it in memory before a token is looked at.
        ("grpc.http2.bdp_probe", 0),
        # More RPCs than this wait at the client. Of a stream that nobody reads, HTTP/2's window is held and no more.
        ("grpc.max_concurrent_streams", settings.max_connection_streams),
        # Two servers on one port would share the requests between them in silence.
        ("grpc.so_reuseport", 0),
        ("grpc.keepalive_time_ms", _milliseconds(settings.keepalive_seconds)),
        ("grpc.keepalive_timeout_ms", _milliseconds(settings.keepalive_timeout_seconds)),
        ("grpc.keepalive_permit_without_calls", 1),
        # A ping that is a little early by the server's clock is no offence.
        ("grpc.http2.min_ping_interval_without_data_ms", _milliseconds(settings.client_ping_seconds * 0.9)),
    ]
    if settings.max_connection_age_seconds:
        options += [
            ("grpc.max_connection_age_ms", _milliseconds(settings.max_connection_age_seconds)),
            ("grpc.max_connection_age_grace_ms", _milliseconds(settings.max_connection_age_grace_seconds)),
        ]
    return options


def _milliseconds(seconds: float) -> int:
    """Seconds as whole milliseconds that fit gRPC's 32 bits."""
    return min(int(seconds * 1000), 2**31 - 1)


def _bind(server: grpc.aio.Server, host: str, port: int, credentials: grpc.ServerCredentials | None) -> int:
    """Binds a server to an address, and says clearly why it cannot."""
    address = f"[{host}]:{port}" if ":" in host and not host.startswith("[") else f"{host}:{port}"
    try:
        if credentials is None:
            bound = server.add_insecure_port(address)
        else:
            bound = server.add_secure_port(address, credentials)
    except RuntimeError:
        bound = 0
    if not bound:
        raise security.UsageError(
            f"Expected to listen on {address}, but could not: the port is taken, or the address is not this machine's"
        )
    return bound


def run(service: Service, settings: ServerSettings, telemetry: Telemetry | None = None) -> None:
    """Serves until SIGTERM or SIGINT: the whole of every `__main__`.

    Args:
        service: The service to serve.
        settings: Address, security, limits.
        telemetry: Metrics in which the service registered its own.

    Raises:
        SystemExit: Exit code 2 where the settings do not let it start, 1 where it failed.
    """
    logs.configure(settings.log_level, settings.log_format)
    telemetry = telemetry or Telemetry()
    telemetry.process()
    open_as_many_as_allowed()
    sys.setswitchinterval(SWITCH_SECONDS)
    code = asyncio.run(_serve(service, settings, telemetry))
    if code:
        raise SystemExit(code)


async def _serve(service: Service, settings: ServerSettings, telemetry: Telemetry) -> int:
    """Starts, waits for a signal, drains. Returns the exit code."""
    try:
        server = Server(service, settings, telemetry)
    except security.UsageError as problem:
        return _report(problem)
    signals: asyncio.Queue[str] = asyncio.Queue()
    loop = asyncio.get_running_loop()
    for number in TAKEN:
        loop.add_signal_handler(number, signals.put_nowait, number.name)
    starting = asyncio.ensure_future(server.start())
    first = asyncio.ensure_future(signals.get())
    await asyncio.wait((starting, first), return_when=asyncio.FIRST_COMPLETED)
    code = 0
    if starting.done() and (error := starting.exception()) is not None:
        code = _report(error)
        first.cancel()
    else:
        spare_what_stays()
        broken = asyncio.ensure_future(server.broken.wait())
        await asyncio.wait((first, broken), return_when=asyncio.FIRST_COMPLETED)
        if broken.done():
            code = EXIT_FAILED
            first.cancel()
        else:
            log.info("signal", extra={"name_of_signal": await first})
            broken.cancel()
        starting.cancel()
    if server.broken.is_set():
        await asyncio.sleep(LAST_WORDS_SECONDS)
    draining = asyncio.ensure_future(server.drain(0.0 if code else None))
    second = asyncio.ensure_future(signals.get())
    await asyncio.wait((draining, second), return_when=asyncio.FIRST_COMPLETED)
    if not draining.done():
        await server.drain(0.0)
    second.cancel()
    try:
        await draining
    except Exception:  # the process ends either way
        log.exception("stop failed")
        code = code or EXIT_FAILED
    with contextlib.suppress(asyncio.CancelledError, Exception):
        await starting
    _end_soon(code)
    return code


def _end_soon(code: int) -> None:
    """Ends the process even where a thread goes on, as one does that loads a model: Python would wait for it."""

    def end() -> None:
        log.warning("threads left", extra={"threads": [thread.name for thread in threading.enumerate()]})
        logging.shutdown()
        os._exit(code)

    timer = threading.Timer(STOP_SECONDS, end)
    timer.daemon = True
    timer.start()


def _report(error: BaseException) -> int:
    """Logs why a server did not start. Returns the exit code."""
    if isinstance(error, security.UsageError):
        log.error("wrong settings", extra={"problem": str(error)})
        return EXIT_USAGE
    if isinstance(error, ServiceError):
        log.error("start failed", extra={"problem": str(error)})
    else:
        log.error("start failed", exc_info=error)
    return EXIT_FAILED
