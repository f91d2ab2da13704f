"""Predictions by Ray Serve as their trainer sees them; by the trainer itself where Ray does not answer."""

import itertools
import logging
import queue
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import islice
from typing import Final

from babelscope.data.examples import Example

from services.runtime.errors import Unavailable
from services.trainer.serving.frames import Frames
from services.trainer.serving.predictions import PORTION, AskedModel, Predictions
from services.trainer.serving.wire import PredictCall, unpack_answer

log = logging.getLogger(__name__)

_LOOK_SECONDS: Final = 0.25
_CLOSE_SECONDS: Final = 3.0


class Gone(Exception):
    """The process that leads to Ray is gone."""


class ServedPredictions(Predictions):
    """Predictions by the replicas of Ray Serve.

    Args:
        direct: Answers where Ray does not.
        command: Starts what leads to Ray: arguments of Python behind the number of its socket, and its environment.
    """

    def __init__(self, direct: Predictions, command: "Callable[[], tuple[str, str, Mapping[str, str]]]") -> None:
        self._direct, self._command = direct, command
        self._lock = threading.Lock()
        self._gateway: Gateway | None = None

    def predict(
        self, asked: AskedModel, examples: Iterable[Example], check: Callable[[], None]
    ) -> Iterator[list[Example]]:
        """As `Predictions.predict` says, by Ray where it answers."""
        source = iter(examples)
        portion = tuple(islice(source, PORTION))
        while True:
            # Where there are no examples, too: the model may refuse what is asked of it.
            yield from self._answers(asked, portion, check)
            if not (portion := tuple(islice(source, PORTION))):
                return

    def _answers(
        self, asked: AskedModel, portion: tuple[Example, ...], check: Callable[[], None]
    ) -> Iterator[list[Example]]:
        """The answers to a portion, by Ray where it answers; nothing to none."""
        try:
            found = unpack_answer(self._ready().ask(PredictCall(asked, portion).pack(), check))
        except (Gone, OSError, Unavailable) as error:
            log.warning("Ray does not predict, this process does: %s", error)
            yield from self._direct.predict(asked, portion, check)
        else:
            if portion:
                yield found

    def close(self) -> None:
        """Ends the process that leads to Ray."""
        with self._lock:
            gateway, self._gateway = self._gateway, None
        if gateway is not None:
            gateway.close()

    def _ready(self) -> "Gateway":
        with self._lock:
            if self._gateway is None or self._gateway.gone:
                if self._gateway is not None:
                    self._gateway.close()
                self._gateway = Gateway(*self._command())
            return self._gateway


class Gateway:
    """The process that leads to Ray, and the calls that wait for its answers.

    Args:
        module: Its module.
        plan: Its argument.
        env: Its environment.
    """

    def __init__(self, module: str, plan: str, env: Mapping[str, str]) -> None:
        ours, theirs = socket.socketpair()
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-m", module, str(theirs.fileno()), plan],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                env=dict(env),
                pass_fds=(theirs.fileno(),),
                start_new_session=True,
            )
        self._frames = Frames(ours)
        self._numbers = itertools.count(1)
        self._waiting: dict[int, queue.SimpleQueue[bytes | None]] = {}
        self._lock = threading.Lock()
        self.gone = False
        self._reader = threading.Thread(target=self._read, daemon=True, name="trainer-gateway")
        self._reader.start()

    def ask(self, data: bytes, check: Callable[[], None]) -> bytes:
        """The answer to a call.

        Args:
            data: The call.
            check: Called while it is waited for; raises to stop.

        Raises:
            Gone: The process ended before it answered.
            OSError: It ended before it was asked.
        """
        answer: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        number = next(self._numbers)
        with self._lock:
            if self.gone:
                raise Gone("its process has ended")
            self._waiting[number] = answer
        try:
            self._frames.send(number, data)
            while True:
                check()
                try:
                    found = answer.get(timeout=_LOOK_SECONDS)
                except queue.Empty:
                    continue
                if found is None:
                    raise Gone("its process has ended")
                return found
        finally:
            with self._lock:
                self._waiting.pop(number, None)

    def close(self) -> None:
        """Closes the connection, upon which the process ends; kills it where it does not."""
        self._frames.close()
        try:
            self._process.wait(_CLOSE_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._reader.join()

    def _read(self) -> None:
        """Hands answers to those who wait, and tells them when there will be none."""
        for number, data in self._frames.received():
            with self._lock:
                waiting = self._waiting.get(number)
            if waiting is not None:
                waiting.put(data)
        with self._lock:
            self.gone = True
            left = list(self._waiting.values())
        for each in left:
            each.put(None)
