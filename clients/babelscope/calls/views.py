"""The views of a metrics request, and the messages that carry them."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from babelscope.calls.encode import MESSAGE_BYTES, MESSAGE_TEXTS, encode_spec
from babelscope.calls.options import Backend, ComputeType, Overflow, Pooling, ViewOptions
from babelscope.data.activations import Activations, EncodeInfo
from babelscope.data.comparison import ViewUse
from babelscope.data.models import Intervention, Model, check_layers, enum_name
from babelscope.data.tensors import CHUNK_BYTES, to_proto, to_wire
from babelscope.data.texts import Text, as_texts
from babelscope.v1 import metrics_pb2, model_pb2, text_pb2

_OPTIONS: Final = ViewOptions.__optional_keys__

Rows = metrics_pb2.ViewTexts | metrics_pb2.ViewActivations


@dataclass(frozen=True, slots=True, eq=False)
class View:
    """A set of rows under one name: the sentences of one language through one model, say.

    Either texts, which the server has encoded, or activations. What is None is taken from the call.

    Args:
        texts: Texts or strings; a string gets its position as id.
        activations: Activations from `encode`, or an array [n, d] or [n, K, d] of float32 or float64.
        ids: One for each row of an array; positions where None.
        model: The weights.
        layers: Hidden states wanted; with an array, the layers of its axis 1.
        pooling: `mean`, `cls`, or one with a row for each word, span or position of a text.
        interventions: Edits of the hidden states.
        overflow: `refuse` or `truncate`.
        compute_dtype: Arithmetic of the model.
        backend: What computes the model: `torch` or `onnx`.
        language: BCP 47 language tag; that of the first text where empty.
        origin: What computed the rows of an array, if anything: results name its model and pooling.
    """

    texts: Sequence[Text | str] | None = None
    activations: Activations | NDArray[Any] | None = None
    ids: Sequence[str] | None = None
    model: Model | str | None = None
    layers: Sequence[int] | None = None
    pooling: Pooling | None = None
    interventions: Sequence[Intervention] | None = None
    overflow: Overflow | None = None
    compute_dtype: ComputeType | None = None
    backend: Backend | None = None
    language: str = ""
    origin: EncodeInfo | None = None


AnyView = View | Activations | NDArray[Any] | Sequence[Text | str]
"""A view, or just its rows."""


class Views:
    """The views of one request: their description, and their rows as often as they are asked for.

    Args:
        views: Views by name.
        options: Encoding of views that give none of their own.

    Raises:
        ValueError: A view has neither texts nor activations, or both, or texts and no model, or ids that do not fit.
        TensorError: Activations of a type that cannot travel.
    """

    def __init__(self, views: Mapping[str, AnyView], options: ViewOptions) -> None:
        self.protos: list[metrics_pb2.View] = []
        self.uses: dict[str, ViewUse] = {}
        self._rows: list[Callable[[], Iterator[Rows]]] = []
        for name, view in views.items():
            self._add(name, _as_view(view), options)

    def pairs(self, pairs: Iterable[tuple[str, str]] | None) -> list[metrics_pb2.ViewPair]:
        """Pairs of names as messages.

        Raises:
            ValueError: A pair names no view.
        """
        found = [metrics_pb2.ViewPair(left=left, right=right) for left, right in pairs or ()]
        for pair in found:
            for name in (pair.left, pair.right):
                if name not in self.uses:
                    raise ValueError(f"Expected `pairs` to name views of {', '.join(self.uses)}, but got {name!r}")
        return found

    def rows(self) -> Iterator[Rows]:
        """The rows of all views in messages of bounded size, a message of each view in turn.

        In turn, so that a server that works on a pair as its rows come need not wait for the whole of one side.
        """
        running = [rows() for rows in self._rows]
        while running:
            for rows in list(running):
                message = next(rows, None)
                if message is None:
                    running.remove(rows)
                else:
                    yield message

    def _add(self, name: str, view: View, options: ViewOptions) -> None:
        """Takes one view in."""
        if (view.texts is None) == (view.activations is None):
            raise ValueError(f"Expected view {name!r} to have either `texts` or `activations`")
        if view.texts is not None:
            self._add_texts(name, view, list(as_texts(view.texts)), options)
        else:
            self._add_activations(name, view)

    def _add_texts(self, name: str, view: View, texts: list[Text], options: ViewOptions) -> None:
        """A view that the server has encoded."""
        own = {name: value for name in _OPTIONS if (value := getattr(view, name, None)) is not None}
        chosen: dict[str, Any] = {**{name: value for name, value in options.items() if name in _OPTIONS}, **own}
        model = chosen.pop("model", None)
        if not model:
            raise ValueError(f"Expected a `model` for view {name!r} or for the call, but got none")
        chosen["language"] = view.language or options.get("language", "")
        spec = encode_spec(model, **chosen)
        language = view.language or (texts[0].language if texts else "")
        self.protos.append(metrics_pb2.View(name=name, language=language, encode=spec))
        described = Model.of(model)
        pooling = enum_name(model_pb2.Pooling, spec.pooling, "POOLING_")
        self.uses[name] = ViewUse(language, described.name, described.reinit_label, pooling)
        self._rows.append(lambda: _text_messages(name, texts))

    def _add_activations(self, name: str, view: View) -> None:
        """A view whose rows are at hand."""
        given = view.activations
        origin = view.origin
        if isinstance(given, Activations):
            array, ids, layers = given.array, given.row_ids, given.layers
            if given.empty.size:
                array, ids = np.delete(array, given.empty, 0), tuple(np.delete(np.array(ids, object), given.empty))
            origin = given.info
        else:
            array = np.asarray(given)
            array = array[:, None] if array.ndim == 2 else array
            if array.ndim != 3:
                raise ValueError(f"Expected `activations` of view {name!r} as [n, K, d], but got {list(array.shape)}")
            ids = tuple(map(str, range(len(array)))) if view.ids is None else tuple(view.ids)
            layers = tuple(range(array.shape[1]) if view.layers is None else check_layers(view.layers))
        if len(ids) != len(array) or len(layers) != array.shape[1]:
            raise ValueError(
                f"Expected {len(array)} ids and {array.shape[1]} layers for view {name!r}, "
                f"but got {len(ids)} and {len(layers)}"
            )
        to_wire(array[:0])  # refuses a type that cannot travel
        self.protos.append(metrics_pb2.View(name=name, language=view.language, layers=layers))
        self.uses[name] = (
            ViewUse(view.language, origin.model.name, origin.reinit, origin.pooling)
            if origin
            else ViewUse(view.language)
        )
        self._rows.append(lambda: _activation_messages(name, ids, array))


def _as_view(view: AnyView) -> View:
    """A view as it is, rows as a view."""
    if isinstance(view, View):
        return view
    if isinstance(view, Activations | np.ndarray):
        return View(activations=view)
    if isinstance(view, str):
        raise TypeError(f"Expected a view as a list of texts, but got the single text {view[:40]!r}")
    return View(texts=view)


def _text_messages(name: str, texts: Sequence[Text]) -> Iterator[metrics_pb2.ViewTexts]:
    """Texts in messages of bounded size."""
    batch: list[text_pb2.Text] = []
    size = 0
    for text in texts:
        message = text.to_proto()
        if batch and (len(batch) == MESSAGE_TEXTS or size + message.ByteSize() > MESSAGE_BYTES):
            yield metrics_pb2.ViewTexts(view=name, texts=batch)
            batch, size = [], 0
        batch.append(message)
        size += message.ByteSize()
    if batch:
        yield metrics_pb2.ViewTexts(view=name, texts=batch)


def _activation_messages(name: str, ids: Sequence[str], array: NDArray[Any]) -> Iterator[metrics_pb2.ViewActivations]:
    """Rows in messages of about a chunk, of at least one row."""
    _, dtype = to_wire(array[:1])
    row_bytes = max(1, array[:1].nbytes)
    step = max(1, CHUNK_BYTES // row_bytes)
    for first in range(0, len(array), step):
        part = slice(first, first + step)
        yield metrics_pb2.ViewActivations(view=name, ids=ids[part], tensor=to_proto(array[part], dtype))
