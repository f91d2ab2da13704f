"""The asynchronous twin of the client library: the same names with `Async` in front, the same behaviour."""

from babelscope.aio.datagen import AsyncDatagenClient, AsyncExampleStream
from babelscope.aio.encoder import AsyncEncoderClient
from babelscope.aio.mesh import AsyncMesh, connect
from babelscope.aio.metrics import AsyncMetricsClient
from babelscope.aio.streams import AsyncEncodeStream
from babelscope.aio.trainer import AsyncTrainerClient

__all__ = [
    "AsyncDatagenClient",
    "AsyncEncodeStream",
    "AsyncEncoderClient",
    "AsyncExampleStream",
    "AsyncMesh",
    "AsyncMetricsClient",
    "AsyncTrainerClient",
    "connect",
]
