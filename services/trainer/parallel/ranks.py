"""A team over torch.distributed: gloo between processors, NCCL between GPUs.

Gradients are added up once a step, not in the backward pass of each accumulated batch, in a few large pieces. All that
is small, or not on the device, goes through gloo.
"""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import timedelta
from typing import TypeVar

import numpy as np
import torch
from torch import Tensor, distributed, nn
from torch._C._distributed_c10d import FileStore, Store, TCPStore

from services.trainer.parallel.team import PeerLost

T = TypeVar("T")

PATIENCE = timedelta(minutes=30)
"""Time after which a worker that is silent is given up. One that dies is noticed at once: its connections close."""
_PREPARATION = timedelta(days=7)
_BUCKET_BYTES = 32 << 20
_READY = "babelscope/ready"


class Ranks:
    """A worker among several.

    Args:
        meeting: Where the workers find one another: `file:///PATH` on one machine, `tcp://HOST:PORT` of the first one.
        rank: Number of this worker, from 0.
        size: Number of workers.
        device: Device of the model.
        patience: Time after which a worker that is silent is given up.

    Raises:
        PeerLost: The others did not come.
    """

    def __init__(self, meeting: str, rank: int, size: int, device: str, patience: timedelta = PATIENCE) -> None:
        self._rank, self._size, self._device = rank, size, torch.device(device)
        backend = "gloo" if self._device.type == "cpu" else "cpu:gloo,cuda:nccl"
        if self._device.type == "cuda":
            torch.cuda.set_device(self._device)
        with _watched():
            self._store = _store(meeting, rank, size, patience)
            distributed.init_process_group(backend, store=self._store, rank=rank, world_size=size, timeout=patience)

    @property
    def rank(self) -> int:
        """Number of this worker, from 0."""
        return self._rank

    @property
    def size(self) -> int:
        """Number of workers."""
        return self._size

    def agree(self, value: int) -> int:
        """The first worker's value."""
        said = torch.tensor([value], dtype=torch.int64)
        with _watched():
            distributed.broadcast(said, 0)
        return int(said)

    def told(self, text: str) -> str:
        """The first worker's text."""
        content = text.encode()
        size = self.agree(len(content))
        said = _bytes(content) if self._rank == 0 else torch.empty(size, dtype=torch.uint8)
        if size:
            with _watched():
                distributed.broadcast(said, 0)
        return said.numpy().tobytes().decode()

    def shared(self, tensors: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
        """The first worker's tensors by name."""
        own = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()} if self._rank == 0 else {}
        said = json.loads(self.told(json.dumps([[name, str(each.dtype), each.shape] for name, each in own.items()])))
        for name, dtype, shape in said:
            if self._rank:
                own[name] = torch.empty(shape, dtype=getattr(torch, dtype.removeprefix("torch.")))
            with _watched():
                distributed.broadcast(own[name], 0)
        return own

    def gathered(self, tensors: Mapping[str, Tensor]) -> Sequence[Mapping[str, Tensor]]:
        """The tensors of all workers by rank."""
        found: list[dict[str, Tensor]] = [{} for _ in range(self._size)]
        for name, tensor in tensors.items():
            parts = [torch.empty_like(tensor) for _ in range(self._size)]
            with _watched():
                distributed.all_gather(parts, tensor.contiguous())
            for each, part in zip(found, parts, strict=True):
                each[name] = part
        return found

    def reduce(self, parameters: Sequence[nn.Parameter], loss: float) -> float:
        """Add up the gradients of all workers in place, and their losses."""
        there = torch.tensor([loss, *(parameter.grad is not None for parameter in parameters)], dtype=torch.float64)
        with _watched():
            distributed.all_reduce(there)
        wanted = [each for each, count in zip(parameters, there[1:].tolist(), strict=True) if count]
        under_way = []
        for bucket in _buckets(wanted):
            flat = torch.cat([_gradient(each).flatten() for each in bucket])
            with _watched():
                under_way.append((bucket, flat, distributed.all_reduce(flat, async_op=True)))
        for bucket, flat, handle in under_way:
            with _watched():
                handle.wait()
            for each, part in zip(bucket, torch.split(flat, [each.numel() for each in bucket]), strict=True):
                each.grad = part.view_as(each)
        return float(there[0])

    def first_alone(self, action: Callable[[], T]) -> T:
        """Do something that leaves files for the others: the first worker does it, then all the others."""
        if self._rank:
            with _watched():
                self._store.wait([_READY], _PREPARATION)
            return action()
        found = action()
        with _watched():
            self._store.set(_READY, "1")
        return found

    def close(self) -> None:
        """Leave the team."""
        if distributed.is_initialized():
            distributed.destroy_process_group()


def _store(meeting: str, rank: int, size: int, patience: timedelta) -> Store:
    """What the workers find one another by."""
    scheme, _, place = meeting.partition("://")
    if scheme == "file":
        store: Store = FileStore(place, size)
        store.set_timeout(patience)
        return store
    host, _, port = place.rpartition(":")
    return TCPStore(host, int(port), size, is_master=rank == 0, timeout=patience)


def _buckets(parameters: Sequence[nn.Parameter]) -> Iterator[list[nn.Parameter]]:
    """Parameters in order, in pieces of a bounded size; a larger one is a piece of its own."""
    bucket: list[nn.Parameter] = []
    size = 0
    for each in parameters:
        if bucket and size + each.nbytes > _BUCKET_BYTES:
            yield bucket
            bucket, size = [], 0
        bucket.append(each)
        size += each.nbytes
    if bucket:
        yield bucket


def _gradient(parameter: nn.Parameter) -> Tensor:
    """The dense gradient of a parameter, of which this worker may have none."""
    if parameter.grad is None:
        return torch.zeros_like(parameter)
    return parameter.grad.to_dense() if parameter.grad.is_sparse else parameter.grad


def _bytes(content: bytes) -> Tensor:
    return torch.from_numpy(np.frombuffer(content, dtype=np.uint8).copy())


@contextmanager
def _watched() -> Iterator[None]:
    """What torch raises where a worker is gone, as what it means."""
    try:
        yield
    except RuntimeError as error:  # torch.distributed's errors are all of this class
        raise PeerLost(f"Expected all workers to answer, but one is gone: {error}") from error
