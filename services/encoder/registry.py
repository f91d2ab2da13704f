"""Models in memory: loaded once however many ask, lent while they are used, dropped when unused for longest."""

import asyncio
import logging
import math
import threading
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable, Hashable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from enum import Enum
from typing import Protocol

from services.encoder.capacity import Capacity
from services.encoder.engine import Engine
from services.models.catalogue import ModelSummary
from services.models.spec import ModelInfo, ModelSpec
from services.runtime.errors import LimitExceeded, Unavailable
from services.runtime.work import Stopped, watched

log = logging.getLogger(__name__)


class Files(Protocol):
    """The part of `ModelFiles` that the registry uses."""

    def resolve(self, name: str, revision: str = "") -> object:
        """Finds a model's folder, or says why it cannot be served."""

    def stamp(self, name: str, revision: str = "") -> Hashable:
        """Changes whenever a model's files do."""

    def weight_bytes(self, name: str, revision: str = "") -> int:
        """Bytes of a model's weights, from the headers of files that `resolve` has found."""

    def is_local(self, name: str) -> bool:
        """Whether it is found without the hub."""

    def list(self) -> Sequence[ModelSummary]:
        """All local models, by name."""


class State(Enum):
    """How far a model is from answering."""

    AVAILABLE = "available"
    LOADING = "loading"
    READY = "ready"
    REFUSED = "refused"


@dataclass(frozen=True)
class Listed:
    """One model of the list.

    Attributes:
        name: The name by which requests call it.
        revision: The revision it was loaded with; empty for the default.
        state: How far the model is from answering.
        summary: What its files tell; None for a model of the hub.
        info: What is known once it is loaded.
    """

    name: str
    revision: str
    state: State
    summary: ModelSummary | None = None
    info: ModelInfo | None = None


@dataclass(frozen=True)
class Unloaded:
    """What became of a model and its variants.

    Attributes:
        dropped: Number of those dropped.
        in_use: Number of those in use, or loading, which are dropped once they are no longer used.
    """

    dropped: int
    in_use: int


@dataclass(eq=False)
class _Slot:
    """One model, loading or loaded."""

    spec: ModelSpec
    users: int = 0
    in_memory: bool = False
    bytes: int = 0
    pinned: bool = False
    stamp: Hashable = None
    engine: Engine | None = None
    loading: "asyncio.Task[Engine] | None" = None
    forsaken: threading.Event = field(default_factory=threading.Event)

    @property
    def idle(self) -> bool:
        """Whether it may make room for another."""
        return self.engine is not None and not self.users and not self.pinned

    def check(self) -> None:
        """Raises `Stopped` where nobody has waited for the model for a while."""
        if self.forsaken.is_set():
            raise Stopped


class Registry:
    """Engines by what determines their weights.

    Args:
        files: Files of the models that may be loaded.
        load: Loads a model; called in a thread, one call at a time.
        max_models: Engines in memory. One that is in use, or pinned, is never dropped.
        max_bytes: Bytes of their weights together, variants with re-initialised layers counted in full; None for any.
        wait_seconds: How long a new model waits for one in use to become free; and how long a load goes on for which
            nobody waits, so that a client that tries again finds it.
        hub_seconds: Time that the hub has to give a model.
    """

    def __init__(
        self,
        files: Files,
        load: Callable[[ModelSpec], Engine],
        *,
        max_models: int,
        max_bytes: int | None = None,
        wait_seconds: float,
        hub_seconds: float = math.inf,
    ) -> None:
        self.capacity = Capacity(max_models, max_bytes)
        self._files = files
        self._load = load
        self._wait_seconds = wait_seconds
        self._slots: OrderedDict[ModelSpec, _Slot] = OrderedDict()
        self._outdated: set[_Slot] = set()
        self._changed = asyncio.Event()
        self._hub_seconds = hub_seconds
        self._loader = ThreadPoolExecutor(1, thread_name_prefix="models")
        # Apart from each other and from all else: a hub that never answers holds up those alone who ask it.
        self._finders = ThreadPoolExecutor(4, thread_name_prefix="find")
        self._fetchers = ThreadPoolExecutor(4, thread_name_prefix="hub")

    @property
    def loaded(self) -> int:
        """Models in memory or on their way."""
        return len(self._in_memory())

    @property
    def loaded_bytes(self) -> int:
        """Bytes of the weights of models in memory or on their way."""
        return sum(slot.bytes for slot in self._in_memory())

    def _in_memory(self) -> list[_Slot]:
        """What takes up room; an engine that was replaced and is not used is being closed."""
        replaced = (slot for slot in self._outdated if slot.users)
        return [slot for slot in (*self._slots.values(), *replaced) if slot.in_memory]

    @asynccontextmanager
    async def lease(self, spec: ModelSpec) -> AsyncIterator[Engine]:
        """Lends an engine, which stays in memory until it is given back; loads it where need be.

        An engine whose files were written over since it was loaded serves those who use it already; whoever asks from
        then on gets the files as they are now, and so do variants with re-initialised layers.

        All who ask for a model that is being loaded wait for the same load. One of them who leaves does not stop it.

        Raises:
            LimitExceeded: All models in memory stayed in use.
            ServiceError: What `files` and `load` raise.
        """
        await self._retire(spec)
        slot = self._slots.get(spec)
        if slot is None:
            slot = self._slots[spec] = _Slot(spec)
            slot.loading = asyncio.create_task(self._bring(slot))
            slot.loading.add_done_callback(_retrieve)
        self._slots.move_to_end(spec)
        slot.users += 1
        try:
            if slot.engine is not None:
                yield slot.engine
            elif slot.loading is not None:
                yield await asyncio.shield(slot.loading)
        finally:
            slot.users -= 1
            if not slot.users and slot.engine is None:
                asyncio.get_running_loop().call_later(self._wait_seconds, _forsake, slot)
            self._announce()
            await self._drop_outdated(slot)

    async def load(self, spec: ModelSpec, *, pin: bool = False) -> ModelInfo:
        """Loads a model where need be.

        Args:
            spec: Model to load.
            pin: Whether to keep it in memory until it is unloaded.

        Raises:
            ServiceError: As for `lease`.
        """
        async with self.lease(spec) as engine:
            slot = self._slots.get(spec)
            if pin and slot is not None:
                slot.pinned = True
            return engine.info

    async def unload(self, spec: ModelSpec) -> Unloaded:
        """Drops a model with all its variants; those in use serve those who use them, and are dropped afterwards.

        Args:
            spec: Model to drop; its variants are those with other re-initialised layers, and graphs of all of them.
        """
        named = [slot for key, slot in self._slots.items() if (key.name, key.revision) == (spec.name, spec.revision)]
        slots = [slot for slot in named if slot.engine is not None]
        dropped = sum(not slot.users for slot in slots)
        for slot in slots:
            del self._slots[slot.spec]
            self._outdated.add(slot)
            log.info("model unloaded", extra={"model": spec.name, "users": slot.users})
        for slot in slots:
            await self._drop_outdated(slot)
        self._announce()
        return Unloaded(dropped, len(named) - dropped)

    async def models(self) -> Sequence[Listed]:
        """The models of the files and those in memory, by name and revision, without variants and graphs of them."""
        summaries = await asyncio.get_running_loop().run_in_executor(self._finders, self._files.list)
        listed = {
            (summary.name, ""): Listed(
                summary.name, "", State.REFUSED if summary.reason else State.AVAILABLE, summary=summary
            )
            for summary in summaries
        }
        for spec, slot in self._slots.items():
            if spec.reinit or spec.graph is not None:
                continue
            key = (spec.name, spec.revision)
            before = listed.get(key)
            state = State.LOADING if slot.engine is None else State.READY
            info = None if slot.engine is None else slot.engine.info
            listed[key] = Listed(spec.name, spec.revision, state, summary=before.summary if before else None, info=info)
        return [listed[key] for key in sorted(listed)]

    async def close(self) -> None:
        """Releases all engines."""
        for slot in self._slots.values():
            if slot.loading is not None:
                slot.loading.cancel()
        for slot in self._slots.values():
            slot.forsaken.set()
        self._fetchers.shutdown(wait=False, cancel_futures=True)
        self._finders.shutdown(wait=False, cancel_futures=True)
        await asyncio.to_thread(self._loader.shutdown)
        for slot in (*self._slots.values(), *self._outdated):
            if slot.engine is not None:
                await asyncio.to_thread(slot.engine.close)
        self._slots.clear()
        self._outdated.clear()

    async def _retire(self, spec: ModelSpec) -> None:
        """Takes a model whose files have changed out of the list."""
        slot = self._slots.get(spec)
        if slot is None or slot.engine is None:
            return
        slot.users += 1
        try:
            stamp = await self._stamp(spec)
        finally:
            slot.users -= 1
        if stamp != slot.stamp and self._slots.get(spec) is slot:
            del self._slots[spec]
            self._outdated.add(slot)
            log.warning("model's files have changed", extra={"model": spec.name})
        await self._drop_outdated(slot)
        self._announce()

    async def _drop_outdated(self, slot: _Slot) -> None:
        """Closes an engine whose files have changed once nobody uses it any more."""
        if slot in self._outdated and not slot.users and slot.engine is not None:
            self._outdated.discard(slot)
            await asyncio.to_thread(slot.engine.close)

    async def _bring(self, slot: _Slot) -> Engine:
        """Loads a model once its name is known to be good and there is room for it."""
        try:
            await self._find(slot.spec)
            loop = asyncio.get_running_loop()
            # Where models are loaded: transformers may not be imported by two threads at once.
            slot.bytes = await loop.run_in_executor(
                self._loader, self._files.weight_bytes, slot.spec.name, slot.spec.revision
            )
            await self._make_room(slot)
            slot.stamp = await self._stamp(slot.spec)
            engine = await asyncio.get_running_loop().run_in_executor(self._loader, self._watched_load, slot)
        except Stopped:
            self._drop(slot)
            raise Unavailable(f"Nobody waited for model {slot.spec.name} any more, and its load was given up") from None
        except BaseException:
            self._drop(slot)
            raise
        slot.engine = engine
        slot.loading = None
        log.info("model loaded", extra={"model": slot.spec.name, "digest": engine.info.digest})
        self._announce()
        return engine

    async def _stamp(self, spec: ModelSpec) -> Hashable:
        """What changes whenever a model's files do."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._finders, self._files.stamp, spec.name, spec.revision)

    async def _find(self, spec: ModelSpec) -> None:
        """Makes sure that a model is there, and fetches it from the hub where need be.

        Raises:
            Unavailable: The hub takes too long.
            ServiceError: What `files` raises.
        """
        loop = asyncio.get_running_loop()
        local = await loop.run_in_executor(self._finders, self._files.is_local, spec.name)
        pool, seconds = (self._finders, None) if local else (self._fetchers, self._hub_seconds)
        try:
            async with asyncio.timeout(None if seconds == math.inf else seconds):
                await loop.run_in_executor(pool, self._files.resolve, spec.name, spec.revision)
        except TimeoutError:
            raise Unavailable(
                f"Expected the hub to give model {spec.name} within {self._hub_seconds:g} s, but it did not"
            ) from None

    def _watched_load(self, slot: _Slot) -> Engine:
        """Loads a model; stops where nobody waits for it."""
        slot.check()
        with watched(slot.check):
            return self._load(slot.spec)

    def _drop(self, slot: _Slot) -> None:
        """Takes a model out that did not come."""
        del self._slots[slot.spec]
        self._announce()

    async def _make_room(self, slot: _Slot) -> None:
        """Gives a slot its place in memory, which the models unused for longest leave where there is none.

        Raises:
            LimitExceeded: It is too large by itself, or those in use leave no room for too long.
        """
        self.capacity.check(slot.spec.name, slot.bytes)
        lacking = self._lacking(slot, self._busy())
        try:
            async with asyncio.timeout(self._wait_seconds):
                while lacking is not None:
                    await self._changed.wait()
                    lacking = self._lacking(slot, self._busy())
        except TimeoutError:
            if lacking is None:
                raise
            setting, limit = lacking
            raise LimitExceeded(
                setting,
                f"Expected at most {limit} in use at once, and all of them stayed in use for {self._wait_seconds:g} s",
                retry_after=self._wait_seconds,
            ) from None
        dropped = []
        while self._lacking(slot, self._in_memory()):
            idle = next(each for each in self._slots.values() if each.idle)
            del self._slots[idle.spec]
            dropped.append(idle)
        slot.in_memory = True
        for idle in dropped:
            log.info("model dropped", extra={"model": idle.spec.name, "bytes": idle.bytes})
            if idle.engine is not None:
                await asyncio.to_thread(idle.engine.close)

    def _busy(self) -> list[_Slot]:
        """What takes up room and cannot make any."""
        return [each for each in self._in_memory() if not each.idle]

    def _lacking(self, slot: _Slot, others: Sequence[_Slot]) -> tuple[str, str] | None:
        """What leaves a model no room beside others."""
        return self.capacity.lacking(len(others), sum(other.bytes for other in others), slot.bytes)

    def _announce(self) -> None:
        """Wakes all who wait for a change."""
        self._changed.set()
        self._changed = asyncio.Event()


def _forsake(slot: _Slot) -> None:
    """Gives up a load for which nobody has waited since."""
    if not slot.users:
        slot.forsaken.set()


def _retrieve(task: "asyncio.Task[Engine]") -> None:
    """Looks at a load's error, so that one for which nobody waits any more is not reported as forgotten."""
    if not task.cancelled():
        task.exception()
