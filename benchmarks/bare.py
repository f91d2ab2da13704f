"""A gRPC server that does nothing of ours: messages of the sizes asked for, answered by `grpc.aio` to the plain client.

The client has the options of ours. The server has two of ours, and the defaults of gRPC for all others.
"""

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import grpc
from babelscope.transport.channel import ClientConfig, open_channel

_PATH = "/bare.v1.Bare/Answer"
_LONGEST = bytes(1 << 20)


@contextmanager
def bare_server() -> Iterator[Callable[[Sequence[int]], int]]:
    """Runs the server in a process of its own.

    Yields:
        Function that asks for messages of so many bytes each, and returns how many bytes came.
    """
    command = [sys.executable, "-m", "benchmarks.bare"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            address = f"127.0.0.1:{int(process.stdout.readline() if process.stdout else 0)}"
            with open_channel(ClientConfig(address)) as channel:
                call: Any = channel.stream_stream(_PATH)

                def ask(sizes: Sequence[int]) -> int:
                    return sum(map(len, call(iter([b"spec", ",".join(map(str, sizes)).encode()]))))

                yield ask
        finally:
            process.terminate()


async def _answer(messages: AsyncIterator[bytes], context: Any) -> None:
    *_, sizes = [message async for message in messages]
    for size in map(int, sizes.split(b",")):
        await context.write(_LONGEST if size == len(_LONGEST) else bytes(size))


async def _serve() -> None:
    server = grpc.aio.server(options=[("grpc.http2.bdp_probe", 0), ("grpc.so_reuseport", 0)])
    handlers: dict[str, Any] = {"Answer": grpc.stream_stream_rpc_method_handler(_answer)}
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("bare.v1.Bare", handlers),))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    sys.stdout.write(f"{port}\n")
    sys.stdout.flush()
    await server.wait_for_termination()


if __name__ == "__main__":
    asyncio.run(_serve())
