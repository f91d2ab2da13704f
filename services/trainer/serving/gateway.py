"""The way from a trainer to Ray Serve: `python -m services.trainer.serving.gateway SOCKET PLAN`.

The trainer itself holds no part of Ray. This process does: it deploys the replicas, passes calls on to them, and tries
a call again whose replica has died. It ends, and takes the replicas with it, when the trainer closes its end of the
pair of sockets, and ends as well when Ray has died, so that the trainer starts a new one.
"""

import logging
import os
import socket
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final

from services.trainer.cluster import folders
from services.trainer.serving.frames import Frames
from services.trainer.serving.plan import ServePlan
from services.trainer.serving.wire import pack_error

log = logging.getLogger(__name__)

_THREADS: Final = 32
"""Calls on their way at once; the trainer bounds them by its own threads."""
_ATTEMPTS: Final = 10
_PAUSE_SECONDS: Final = 0.5
"""Time before a call is tried again: Serve starts a replica in the place of one that died within seconds."""
_CALL_SECONDS: Final = 600.0


def main() -> None:
    """Serves one trainer."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s %(levelname)s %(message)s")
    frames = Frames(socket.socket(fileno=int(sys.argv[1])))
    plan = ServePlan.read(sys.argv[2])
    code = 0
    try:
        _serve(frames, plan)
    except Exception as error:
        log.error("predictions cannot be served by Ray: %s: %s", type(error).__name__, error)
        code = 1
    # At once: what Ray does at the interpreter's end may hang where the other side has died.
    logging.shutdown()
    os._exit(code)


def _serve(frames: Frames, plan: ServePlan) -> None:
    """Deploys the replicas and passes calls on until the trainer is gone."""
    if plan.folder:
        folders.end_with(Path(plan.folder))
    address = plan.address or folders.wait_for_address(Path(plan.folder))
    import ray
    from ray import serve

    from services.trainer.serving.replica import Replica

    ray.init(address=address, log_to_driver=False, logging_level=logging.WARNING)
    start: Any = serve.start
    start(proxy_location="Disabled")
    make: Any = serve.deployment(
        num_replicas=plan.replicas,
        ray_actor_options={"num_cpus": plan.cpus, "num_gpus": plan.gpus},
        max_ongoing_requests=_THREADS,
        health_check_period_s=2.0,
        health_check_timeout_s=30.0,
    )
    handle: Any = serve.run(make(Replica).bind(dict(plan.env)), name=plan.name, route_prefix=None)
    with ThreadPoolExecutor(_THREADS, thread_name_prefix="gateway") as pool:
        for number, data in frames.received():
            pool.submit(_pass_on, handle, frames, number, data)
    serve.delete(plan.name)


def _pass_on(handle: Any, frames: Frames, number: int, data: bytes) -> None:
    """Gets the answer to one call, from another replica where the first one dies."""
    from ray.exceptions import RayError

    answer = b""
    for attempt in range(_ATTEMPTS):
        try:
            answer = handle.predict.remote(data).result(timeout_s=_CALL_SECONDS)
            break
        except RayError as error:
            # What a replica raises it answers with; this is its death, or that of what stands around it.
            log.warning("a call is tried again: %s: %s", type(error).__name__, str(error)[:500])
            answer = b""
            time.sleep(_PAUSE_SECONDS * (attempt + 1))
        except Exception as error:
            log.error("a call failed: %s: %s", type(error).__name__, str(error)[:500])
            answer = pack_error(error)
            break
    if not answer:
        # The cluster itself is gone: the trainer answers, and finds a new way at its next call.
        os._exit(1)
    try:
        frames.send(number, answer)
    except OSError:
        log.warning("nobody waits for an answer any more")


if __name__ == "__main__":
    main()
