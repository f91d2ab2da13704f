"""The door of translation: messages of `babelscope.v1.TranslateService` to any translating system, and back."""

from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import aclosing
from typing import Any, Final, get_args

from babelscope.v1 import translate_pb2, translate_pb2_grpc

from services.datagen.datasets.stored import Datasets
from services.datagen.pipeline.resources import ServiceResources
from services.datagen.settings import DatagenSettings
from services.datagen.translation.choice import Backend, Choice
from services.datagen.translation.registry import Translators
from services.runtime.errors import InvalidArgument
from services.runtime.streams import first, later
from services.runtime.work import Feed, Workers

_PORTION: Final = 64
_LONGEST: Final = 1 << 20


class TranslateServicer(translate_pb2_grpc.TranslateServiceServicer):
    """Answers `babelscope.v1.TranslateService` with the systems that the `translate` transform has.

    A request names one as `BACKEND:REFERENCE`: `dictionary:muse`, `ctranslate:opus-mt-en-de`. Systems of other servers
    are not passed on.

    Args:
        settings: Limits and the default system.
        datasets: Datasets of the store, which may hold dictionaries.
        workers: Threads for the work.
        translators: Translation systems of the service.
    """

    def __init__(
        self, settings: DatagenSettings, datasets: Datasets, workers: Workers, translators: Translators
    ) -> None:
        self._settings, self._workers, self._translators = settings, workers, translators
        self._resources = ServiceResources(settings.dictionary_roots, datasets, translators)

    async def Translate(  # type: ignore[override]  # noqa: N802 - gRPC's name; it writes instead of yielding
        self, request_iterator: AsyncIterator[translate_pb2.TranslateRequest], context: Any
    ) -> None:
        """Translations in the order of their texts."""
        spec = await _spec(request_iterator)
        choice = _choice(spec.system or self._settings.translation_default)

        def work(feed: Feed[Any]) -> Iterator[translate_pb2.TranslateResponse]:
            ids: list[str] = []
            translator = self._translators.open(choice, self._resources)
            texts = _texts(feed, ids)
            portion: list[translate_pb2.Translation] = []
            found = translator.translate(texts, spec.source_language, spec.target_language)
            for index, one in enumerate(found):
                feed.check()
                portion.append(translate_pb2.Translation(index=index, id=ids[index], text=one.text))
                ids[index] = ""
                # What has come while nothing waits is given at once.
                if len(portion) == _PORTION or index + 1 == len(ids):
                    yield translate_pb2.TranslateResponse(translations=portion)
                    portion = []
            if portion:
                yield translate_pb2.TranslateResponse(translations=portion)

        async with aclosing(self._workers.run(work, request_iterator)) as answers:
            async for answer in answers:
                await context.write(answer)


async def _spec(messages: AsyncIterator[translate_pb2.TranslateRequest]) -> translate_pb2.TranslateSpec:
    spec: translate_pb2.TranslateSpec = await first(messages)
    for field in ("source_language", "target_language"):
        if not getattr(spec, field):
            raise InvalidArgument(f"spec.{field}", "Expected a language tag, but got none")
    return spec


def _choice(system: str) -> Choice:
    """A system by its name.

    Raises:
        InvalidArgument: It has no such form.
    """
    name, _, reference = system.partition(":")
    offered = [backend for backend in get_args(Backend) if backend != "remote"]
    for backend in offered:
        if backend == name and reference:
            return Choice(backend, reference)
    names = ", ".join(f"{backend}:NAME" for backend in offered)
    raise InvalidArgument("spec.system", f"Expected one of {names}, but got {system!r}")


def _texts(messages: Iterable[translate_pb2.TranslateRequest], ids: list[str]) -> Iterator[str]:
    """Yields the texts of a stream; their ids go into the list."""
    for message in messages:
        for text in later(message, "texts").texts:
            if not text.text.strip() or len(text.text) > _LONGEST:
                problem = f"Expected 1..{_LONGEST} characters that are not all white space, but got {len(text.text)}"
                raise InvalidArgument(f"texts[{text.id}].text", problem)
            ids.append(text.id)
            yield text.text
