"""What all asynchronous clients of services have."""

from collections.abc import Callable
from typing import Any, ClassVar

import grpc

from babelscope.aio.caller import AsyncCaller
from babelscope.transport.channel import ClientConfig
from babelscope.transport.services import Service


class AsyncClient:
    """A client of one service, without its calls. Tasks of one loop may share one client.

    Args:
        config: Address of the server and how to speak to it; a plain address will do.
        channel: The transport; opened to the configured address where None.
    """

    _service: ClassVar[Service]
    _stub: ClassVar[type[Any]]

    def __init__(self, config: ClientConfig | str, *, channel: grpc.aio.Channel | None = None) -> None:
        self._caller = AsyncCaller(self._service, self._stub, config, channel)

    @property
    def address(self) -> str:
        """Where the server is."""
        return self._caller.config.address

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.address!r})"

    async def close(self) -> None:
        """Closes the channel."""
        await self._caller.close()

    async def _pages(self, method: str, request: Callable[..., Any], timeout: float | None) -> list[Any]:
        """All pages of a list.

        Args:
            method: Name of the method.
            request: Makes the request for a page.
            timeout: Seconds for each page.
        """
        pages: list[Any] = []
        token = ""
        while True:
            pages.append(await self._caller.unary(method, request(page_size=1000, page_token=token), timeout))
            token = pages[-1].next_page_token
            if not token:
                return pages
