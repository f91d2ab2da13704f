"""A Hugging Face hub on loopback that accepts connections and never answers."""

import asyncio
import threading


class SilentHub:
    """Accepts connections from a thread of its own, which are closed at the end.

    Attributes:
        address: Where it is.
        accepted: The connections so far.
    """

    def __init__(self) -> None:
        self.address = ""
        self.accepted: list[asyncio.StreamWriter] = []
        self._begun = threading.Event()
        self._over = asyncio.Event()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_until_complete, args=(self._run(),))

    def __enter__(self) -> "SilentHub":
        self._thread.start()
        self._begun.wait()
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._over.set)
        self._thread.join()
        self._loop.close()

    async def _run(self) -> None:
        server = await asyncio.start_server(self._keep, "127.0.0.1", 0)
        self.address = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        self._begun.set()
        await self._over.wait()
        server.close()
        for writer in self.accepted:
            writer.transport.abort()
        await asyncio.sleep(0.1)  # the transports close their sockets in the loop

    async def _keep(self, _: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.accepted.append(writer)
