"""Whether a client cancels its call, for servers of tests."""

import threading

import grpc


def cancelled(context: grpc.ServicerContext, seconds: float) -> bool:
    """Whether a call ends within some seconds: messages that end may be those of a call that is being cancelled."""
    ended = threading.Event()
    return not context.add_callback(ended.set) or ended.wait(seconds)
