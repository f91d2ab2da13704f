import asyncio
import threading
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from services.encoder.registry import Registry, State, Unloaded
from services.models.catalogue import ModelSummary
from services.models.spec import ModelSpec, Reinit
from services.runtime.errors import FailedPrecondition, LimitExceeded, NotFound, Unavailable
from services.runtime.work import check_here


class Files:
    """Knows three models; `big` cannot be served. The hub does not answer for `hub/silent` before it is let."""

    def __init__(self) -> None:
        self.answers = threading.Event()
        self.asked = threading.Semaphore(0)
        self.measured_by: set[str] = set()

    def resolve(self, name: str, revision: str = "") -> str:
        if name == "hub/silent":
            self.asked.release()
            assert self.answers.wait(30)
        if name not in {"a", "b", "c", "hub/x"}:
            raise NotFound("model", name, ["a"])
        return name

    written = 0

    def stamp(self, name: str, revision: str = "") -> int:
        return self.written

    def is_local(self, name: str) -> bool:
        return not name.startswith("hub/")

    def weight_bytes(self, name: str, revision: str = "") -> int:
        self.measured_by.add(threading.current_thread().name)
        return {"a": 100, "b": 200, "c": 300, "hub/x": 100}[name]

    def list(self) -> list[ModelSummary]:
        return [ModelSummary("a", "bert", ""), ModelSummary("b", "bert", ""), ModelSummary("big", "gpt2", "no encoder")]


class Loader:
    """Loads fakes, when it is let go."""

    def __init__(self, make: Callable[..., Any]) -> None:
        self.make = make
        self.calls: list[ModelSpec] = []
        self.engines: dict[str, Any] = {}
        self.go = threading.Event()
        self.go.set()
        self.error: Exception | None = None

    def __call__(self, spec: ModelSpec) -> Any:
        self.calls.append(spec)
        assert self.go.wait(30)
        if self.error is not None:
            raise self.error
        self.engines[spec.name] = self.make(spec.name)
        return self.engines[spec.name]


@pytest.fixture
def loader(make_engine: Callable[..., Any]) -> Loader:
    return Loader(make_engine)


@pytest.fixture
async def registry(loader: Loader) -> AsyncIterator[Registry]:
    registry = Registry(Files(), loader, max_models=2, wait_seconds=0.05)
    yield registry
    loader.go.set()
    await registry.close()
    assert registry.loaded == 0


async def test_files_written_over_are_noticed(loader: Loader) -> None:
    files = Files()
    registry = Registry(files, loader, max_models=2, wait_seconds=0.05)
    async with registry.lease(ModelSpec("a")) as before:
        assert await _load(registry, "a") is before
        files.written = 1
        async with registry.lease(ModelSpec("a")) as after:
            assert after is not before
            assert not before.closed
            assert registry.loaded == 2
        assert await _load(registry, "a") is after
    assert before.closed
    assert registry.loaded == 1
    await registry.close()
    assert after.closed


async def _load(registry: Registry, name: str) -> Any:
    async with registry.lease(ModelSpec(name)) as engine:
        return engine


async def test_one_load_serves_all_who_ask(registry: Registry, loader: Loader) -> None:
    loader.go.clear()
    asking = [asyncio.create_task(_load(registry, "a")) for _ in range(20)]
    await asyncio.sleep(0.01)
    loader.go.set()
    engines = await asyncio.gather(*asking)
    assert loader.calls == [ModelSpec("a")]
    assert {id(engine) for engine in engines} == {id(loader.engines["a"])}
    assert await _load(registry, "a") is engines[0]


async def test_one_who_leaves_does_not_stop_the_load(registry: Registry, loader: Loader) -> None:
    loader.go.clear()
    first, second = (asyncio.create_task(_load(registry, "a")) for _ in range(2))
    await asyncio.sleep(0.01)
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    loader.go.set()
    assert (await second).info.name == "a"
    assert len(loader.calls) == 1


async def test_a_failed_load_is_told_to_all_and_tried_again(registry: Registry, loader: Loader) -> None:
    loader.error = FailedPrecondition("model a", "broken")
    results = await asyncio.gather(*(_load(registry, "a") for _ in range(3)), return_exceptions=True)
    assert [type(result) for result in results] == [FailedPrecondition] * 3
    assert len(loader.calls) == 1
    loader.error = None
    assert (await _load(registry, "a")).info.name == "a"


async def test_an_unknown_name_costs_no_model_its_place(registry: Registry, loader: Loader) -> None:
    await _load(registry, "a")
    await _load(registry, "b")
    with pytest.raises(NotFound, match="none called 'z'"):
        await _load(registry, "z")
    assert registry.loaded == 2
    assert not loader.engines["a"].closed


async def test_the_model_unused_for_longest_makes_room(registry: Registry, loader: Loader) -> None:
    for name in ("a", "b", "a", "c"):
        await _load(registry, name)
    assert loader.engines["b"].closed
    assert not loader.engines["a"].closed
    assert registry.loaded == 2


async def test_a_model_in_use_is_never_dropped(registry: Registry, loader: Loader) -> None:
    async with registry.lease(ModelSpec("a")), registry.lease(ModelSpec("b")):
        with pytest.raises(LimitExceeded, match="at most 2 models in use at once") as caught:
            await _load(registry, "c")
        assert caught.value.subject == "max_models"
        assert caught.value.retry_after == 0.05
    assert not any(engine.closed for engine in loader.engines.values())
    assert (await _load(registry, "c")).info.name == "c"


async def test_who_waits_for_room_gets_it_when_a_lease_ends(make_engine: Any) -> None:
    registry = Registry(Files(), Loader(make_engine), max_models=1, wait_seconds=20)
    async with registry.lease(ModelSpec("a")):
        waiting = asyncio.create_task(_load(registry, "b"))
        await asyncio.sleep(0.01)
        assert not waiting.done()
    assert (await waiting).info.name == "b"
    await registry.close()


async def test_variants_are_models_of_their_own(registry: Registry, loader: Loader) -> None:
    drawn = ModelSpec("a", reinit=(Reinit((1,)),))
    await _load(registry, "a")
    async with registry.lease(drawn):
        pass
    assert loader.calls == [ModelSpec("a"), drawn]


async def test_the_list_merges_files_and_memory(loader: Loader) -> None:
    registry = Registry(Files(), loader, max_models=3, wait_seconds=5)
    await _load(registry, "a")
    async with registry.lease(ModelSpec("a", reinit=(Reinit((1,)),))):
        loader.go.clear()
        loading = asyncio.create_task(_load(registry, "hub/x"))
        await asyncio.sleep(0.01)
        listed = await registry.models()
    assert [(model.name, model.state) for model in listed] == [
        ("a", State.READY),
        ("b", State.AVAILABLE),
        ("big", State.REFUSED),
        ("hub/x", State.LOADING),
    ]
    loader.go.set()
    await loading
    assert [model.name for model in await registry.models() if model.info is not None][-1] == "hub/x"
    await registry.close()


async def test_a_hub_that_never_answers_holds_up_those_alone_who_ask_it(make_engine: Any) -> None:
    files = Files()
    registry = Registry(files, Loader(make_engine), max_models=2, wait_seconds=5, hub_seconds=0.5)
    lost = [
        asyncio.create_task(_lease(registry, ModelSpec("hub/silent", revision=str(number)))) for number in range(40)
    ]
    assert await asyncio.to_thread(files.asked.acquire, timeout=20)
    for name in ("a", "b"):
        assert (await _load(registry, name)).info.name == name
    assert len(await registry.models()) >= 3
    results = await asyncio.gather(*lost, return_exceptions=True)
    assert {type(result) for result in results} == {Unavailable}
    assert "within 0.5 s" in str(results[0])
    files.answers.set()
    await registry.close()


async def test_a_load_for_which_nobody_waits_is_given_up(make_engine: Any) -> None:
    begun, left = threading.Event(), threading.Event()

    def load(spec: ModelSpec) -> Any:
        begun.set()
        assert left.wait(20)
        check_here()
        return make_engine(spec.name)

    registry = Registry(Files(), load, max_models=2, wait_seconds=0.01)
    asking = asyncio.create_task(_load(registry, "a"))
    await asyncio.to_thread(begun.wait, 20)
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    slot = registry._slots[ModelSpec("a")]
    assert await asyncio.to_thread(slot.forsaken.wait, 20)
    left.set()
    with pytest.raises(Unavailable, match="given up"):
        await _load(registry, "a")
    assert (await _load(registry, "a")).info.name == "a"
    await registry.close()


async def _lease(registry: Registry, spec: ModelSpec) -> None:
    async with registry.lease(spec):
        pass


async def test_models_are_bounded_by_bytes_as_well(make_engine: Any) -> None:
    loader = Loader(make_engine)
    registry = Registry(Files(), loader, max_models=9, max_bytes=350, wait_seconds=0.05)
    for name in ("a", "b", "a"):
        await _load(registry, name)
    assert (registry.loaded, registry.loaded_bytes) == (2, 300)
    await _load(registry, "c")  # 300 bytes: neither of the others leaves room enough by itself
    assert loader.engines["a"].closed
    assert loader.engines["b"].closed
    assert (registry.loaded, registry.loaded_bytes) == (1, 300)
    async with registry.lease(ModelSpec("c")):
        with pytest.raises(LimitExceeded, match="at most 350 bytes of models' weights in use at once") as caught:
            await _load(registry, "a")
        assert (caught.value.subject, caught.value.retry_after) == ("model_bytes", 0.05)
    assert not loader.engines["c"].closed
    await _load(registry, "a")
    assert loader.engines["c"].closed
    await registry.close()


async def test_a_model_that_alone_does_not_fit_costs_no_other_its_place(make_engine: Any) -> None:
    loader = Loader(make_engine)
    registry = Registry(Files(), loader, max_models=9, max_bytes=250, wait_seconds=20)
    await _load(registry, "a")
    with pytest.raises(LimitExceeded, match=r"at most 250 bytes of weights .*, but model c alone has 300") as caught:
        await _load(registry, "c")
    assert (caught.value.subject, caught.value.retry_after) == ("model_bytes", None)
    assert not loader.engines["a"].closed
    assert [spec.name for spec in loader.calls] == ["a"]
    await registry.close()


async def test_none_is_dropped_in_vain(make_engine: Any) -> None:
    """Where dropping all that are idle would not do, they stay while one waits."""
    loader = Loader(make_engine)
    registry = Registry(Files(), loader, max_models=9, max_bytes=350, wait_seconds=0.05)
    await _load(registry, "a")
    async with registry.lease(ModelSpec("b")):
        with pytest.raises(LimitExceeded):
            await _load(registry, "c")
    assert not loader.engines["a"].closed
    await registry.close()


async def test_a_pinned_model_stays_until_it_is_unloaded(registry: Registry, loader: Loader) -> None:
    await registry.load(ModelSpec("a"), pin=True)
    for name in ("b", "c", "b"):
        await _load(registry, name)
    assert not loader.engines["a"].closed
    assert await registry.unload(ModelSpec("a")) == Unloaded(dropped=1, in_use=0)
    assert loader.engines["a"].closed
    assert await registry.unload(ModelSpec("a")) == Unloaded(dropped=0, in_use=0)


async def test_what_is_unloaded_serves_those_who_use_it(registry: Registry, loader: Loader) -> None:
    drawn = ModelSpec("a", reinit=(Reinit((1,)),))
    async with registry.lease(ModelSpec("a")) as engine:
        async with registry.lease(drawn) as variant:
            pass
        assert await registry.unload(ModelSpec("a")) == Unloaded(dropped=1, in_use=1)
        assert (variant.closed, engine.closed, registry.loaded) == (True, False, 1)
        async with registry.lease(ModelSpec("a")) as anew:
            assert anew is not engine
    assert engine.closed
    assert registry.loaded == 1


async def test_one_thread_measures_and_loads(make_engine: Any) -> None:
    """Transformers may not be imported by two threads at once."""
    files = Files()
    registry = Registry(files, Loader(make_engine), max_models=3, wait_seconds=5)
    await asyncio.gather(*(_load(registry, name) for name in ("a", "b", "hub/x")))
    assert len(files.measured_by) == 1
    await registry.close()


async def test_room_is_made_while_unloaded_models_are_being_closed(make_engine: Any) -> None:
    loader, go = Loader(make_engine), threading.Event()
    registry = Registry(Files(), loader, max_models=9, max_bytes=350, wait_seconds=5)
    first = await registry.load(ModelSpec("a"))
    loader.engines["a"].close = lambda: go.wait(20)
    async with registry.lease(ModelSpec("a", reinit=(Reinit((1,)),))):
        pass
    unloading = asyncio.create_task(registry.unload(ModelSpec(first.name)))
    await asyncio.sleep(0)
    assert (await _load(registry, "c")).info.name == "c"
    go.set()
    assert await unloading == Unloaded(dropped=2, in_use=0)
    await registry.close()
