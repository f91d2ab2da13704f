"""Stands for the process that leads to Ray: `python -m tests.support.echo_gateway SOCKET PLAN`.

Answers calls in threads of its own, the later ones first, with their examples as they came; the plan is the text of an
example at which it dies.
"""

import os
import socket
import sys
import threading
import time

from services.runtime.errors import InvalidArgument
from services.trainer.serving.frames import Frames
from services.trainer.serving.wire import PredictCall, pack_error, pack_examples


def main() -> None:
    """Serves one trainer."""
    frames = Frames(socket.socket(fileno=int(sys.argv[1])))

    def answer(number: int, data: bytes) -> None:
        call = PredictCall.unpack(data)
        if any(example.content == sys.argv[2] for example in call.examples):
            os._exit(7)
        if call.asked.max_tokens < 0:
            frames.send(number, pack_error(InvalidArgument("spec.max_tokens", "Expected more")))
            return
        time.sleep(0.3 / number)
        frames.send(number, pack_examples(call.examples))

    for number, data in frames.received():
        threading.Thread(target=answer, args=(number, data), daemon=True).start()


if __name__ == "__main__":
    main()
