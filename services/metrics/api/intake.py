"""Messages of rows to views: texts are kept, pushed activations go to scratch, all of it checked on the way."""

import hashlib
import json
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from dataclasses import field as default
from typing import Any, Final

import numpy as np
from babelscope.data.tensors import to_numpy, type_name
from babelscope.data.texts import UNITS, Text, row_ids
from babelscope.v1 import metrics_pb2, tensor_pb2
from numpy.typing import NDArray

from services.metrics.retrieval.plan import RetrievePlan
from services.metrics.rows.alignment import check_unique
from services.metrics.rows.plans import StudyPlan, ViewPlan
from services.metrics.rows.reports import ViewReport
from services.metrics.rows.scratch import Scratch, Writer
from services.metrics.rows.tables import RowTable, check_finite
from services.metrics.settings import MetricsSettings
from services.runtime.errors import InvalidArgument, LimitExceeded
from services.runtime.memory import Memory, weight

_ROW_TYPES: Final = (tensor_pb2.DATA_TYPE_F32, tensor_pb2.DATA_TYPE_F64, tensor_pb2.DATA_TYPE_BF16)


_UNITS: Final = 1 << 63
"""Marks the length of a text's units in the digest, so that they cannot be taken for the id of another text."""


@dataclass(eq=False)
class Corpus:
    """The texts of one view.

    Args:
        field: Path of the view in the request.
        plan: Plan of the view.
        texts: In the order they came.
        rows: Rows of its texts, all together.
    """

    field: str
    plan: ViewPlan
    texts: list[Text] = default(default_factory=list)
    rows: int = 0

    @property
    def row_ids(self) -> list[str]:
        """Ids of the rows: those of the texts, or of their words, spans or positions."""
        return [one for text in self.texts for one in row_ids(text, self.plan.pooling)]

    def digest(self) -> str:
        """SHA-256 over ids and texts, in order, and over their words, spans and positions where there are some."""
        digest = hashlib.sha256()
        for text in self.texts:
            for part in (text.id.encode(), text.text.encode()):
                digest.update(len(part).to_bytes(8, "little") + part)
            if text.words or text.spans or text.positions:
                units = json.dumps((text.words, text.spans, text.positions)).encode()
                digest.update((len(units) | _UNITS).to_bytes(8, "little") + units)
        return digest.hexdigest()


Sink = Callable[[int, Sequence[str], NDArray[Any]], None]
"""Takes checked rows of a view, by its index, as they come."""


class _Pushed:
    """The activations of one view, on their way to scratch or to their partners."""

    def __init__(self, index: int, plan: ViewPlan, writer: Writer, sink: Sink | None) -> None:
        self.plan = plan
        self.ids: list[str] = []
        self._index = index
        self._writer = writer
        self._sink = sink
        self._digest = hashlib.sha256()
        self._d = 0
        self._dtype = np.dtype(np.float32)

    def check(self, ids: Sequence[str], tensor: tensor_pb2.Tensor, settings: MetricsSettings) -> NDArray[Any]:
        """Reads a message's rows, [m, K, d] float32 or float64."""
        name, layers = self.plan.name, self.plan.layers
        if tensor.dtype not in _ROW_TYPES:
            allowed = ", ".join(map(type_name, _ROW_TYPES))
            raise InvalidArgument(
                "activations.tensor.dtype",
                f"Expected rows of {allowed} in view {name!r}, but got {type_name(tensor.dtype)}",
            )
        rows = to_numpy(tensor, field="activations.tensor")
        if rows.ndim != 3 or len(rows) != len(ids) or rows.shape[1] != len(layers) or not rows.size:
            raise InvalidArgument(
                "activations.tensor.shape",
                f"Expected [rows, layers, d] = [{len(ids)}, {len(layers)}, d] with rows and dimensions in view "
                f"{name!r}, but got {list(rows.shape)}",
            )
        d = rows.shape[2]
        if d > settings.max_dimensions:
            raise LimitExceeded("max_dimensions", f"Expected at most d={settings.max_dimensions}, but got d={d}")
        if self.ids and (d, rows.dtype) != (self._d, self._dtype):
            raise InvalidArgument(
                "activations.tensor",
                f"Expected {self._dtype} with d={self._d} as in the first rows of view {name!r}, "
                f"but got {rows.dtype} with d={d}",
            )
        check_finite(rows, ids, layers, name, "activations.tensor")
        self._d, self._dtype = d, rows.dtype
        return rows

    def append(self, ids: Sequence[str], rows: NDArray[Any]) -> None:
        """Writes checked rows; blocks on the disk."""
        for one in ids:
            data = one.encode()
            self._digest.update(len(data).to_bytes(8, "little") + data)
        self._digest.update(np.ascontiguousarray(rows).data)
        if self._sink is None:
            self._writer.append(rows)
        else:
            self._sink(self._index, ids, rows)
        self.ids.extend(ids)

    def report(self) -> ViewReport:
        """What the answer says of the view."""
        return ViewReport(self.plan.name, len(self.ids), data_digest=self._digest.hexdigest())

    def table(self) -> RowTable:
        """All rows."""
        shape = (len(self.ids), len(self.plan.layers), self._d)
        return RowTable(tuple(self.ids), self.plan.layers, self._writer.rows(shape, self._dtype.str), self.report())


class Intake:
    """Reads the rows of a request.

    Args:
        plan: Plan of the request.
        settings: Limits.
        memory: Memory that all requests share.
        scratch: Scratch folder that receives pushed rows.
        stack: Closes what was opened, at the request's end.
        sink: Takes pushed rows in place of scratch.

    Attributes:
        gold: (source, target) ids of right answers.
    """

    def __init__(  # noqa: PLR0917 - what a request needs of the server
        self,
        plan: StudyPlan,
        settings: MetricsSettings,
        memory: Memory,
        scratch: Scratch,
        stack: ExitStack,
        sink: Sink | None = None,
    ) -> None:
        self.gold: list[tuple[str, str]] = []
        self._wants_gold = isinstance(plan, RetrievePlan) and plan.gold
        self._settings = settings
        self._account = stack.enter_context(memory.account())
        self._sink = sink
        self._corpora: dict[str, Corpus] = {}
        self._pushed: dict[str, _Pushed] = {}
        for index, view in enumerate(plan.views):
            if view.encoded:
                self._corpora[view.name] = Corpus(plan.field(index), view)
            else:
                self._pushed[view.name] = _Pushed(index, view, stack.enter_context(scratch.create()), sink)
        self._order = {view.name: plan.field(index) for index, view in enumerate(plan.views)}

    def take(self, message: metrics_pb2.CompareRequest | metrics_pb2.RetrieveRequest) -> None:
        """Takes a message of rows; blocks on the disk.

        Raises:
            InvalidArgument: It is no message of rows, or what it holds is wrong.
            LimitExceeded: There is more than the server takes.
            babelscope.errors.TensorError: The tensor's bytes do not fit its description.
        """
        match message.WhichOneof("message"):
            case "texts":
                self._take_texts(message.texts)
            case "activations":
                self._take_rows(message.activations)
            case "gold":
                self._take_gold(message.gold)  # type: ignore[union-attr]
            case "spec":
                raise InvalidArgument(
                    "spec", "Expected `texts` or `activations` after the first message, but got `spec`"
                )
            case _:
                raise InvalidArgument("message", "Expected `texts` or `activations`, but got an empty message")

    def finish(self) -> dict[int, Corpus | RowTable | ViewReport]:
        """The views by index: corpora to be encoded, tables of what was pushed, reports of what the sink took.

        Raises:
            InvalidArgument: A view has no rows, or an id twice.
        """
        found: dict[int, Corpus | RowTable | ViewReport] = {}
        for index, (name, field) in enumerate(self._order.items()):
            corpus, pushed = self._corpora.get(name), self._pushed.get(name)
            ids = corpus.row_ids if corpus else pushed.ids if pushed else []
            if not ids:
                raise InvalidArgument(field, f"Expected rows of view {name!r}, but the stream ended without any")
            if corpus:
                check_unique(name, ids, "texts.texts[{}].id")
                found[index] = corpus
            elif pushed and self._sink is not None:
                found[index] = pushed.report()
            elif pushed:
                check_unique(name, ids, "activations.ids")
                found[index] = pushed.table()
        if self._wants_gold and not self.gold:
            raise InvalidArgument("gold", "Expected gold pairs as `spec.gold` says, but the stream ended without any")
        return found

    def _take_texts(self, message: metrics_pb2.ViewTexts) -> None:
        corpus = self._corpora.get(message.view)
        if corpus is None:
            self._misplaced("texts.view", message.view, message.view in self._pushed, "activations")
            return
        settings = self._settings
        if not message.texts:
            raise InvalidArgument("texts.texts", f"Expected at least one text of view {message.view!r}, but got none")
        if len(message.texts) > settings.max_texts:
            raise LimitExceeded(
                "max_texts", f"Expected at most {settings.max_texts} texts a message, but got {len(message.texts)}"
            )
        texts = [Text.from_proto(text) for text in message.texts]
        # Places count within the view: how a client cuts its texts into messages is no concern of who reads the error.
        for index, text in enumerate(texts, len(corpus.texts)):
            _check_text(text, index, corpus.plan)
        corpus.rows += sum(len(row_ids(text, corpus.plan.pooling)) for text in texts)
        self._check_rows(message.view, corpus.rows)
        self._hold(sum(_weight(text) for text in texts))
        corpus.texts += texts

    def _hold(self, amount: int) -> None:
        """Counts bytes of texts, ids and gold pairs against the limits of the request and of the server."""
        limit = self._settings.max_text_bytes
        if self._account.held + amount > limit:
            raise LimitExceeded(
                "max_text_bytes",
                f"Expected texts, ids and gold pairs of at most {limit} bytes in a request, but got more; "
                "encode them and send activations, or split the request",
            )
        self._account.take(amount)

    def _take_rows(self, message: metrics_pb2.ViewActivations) -> None:
        pushed = self._pushed.get(message.view)
        if pushed is None:
            self._misplaced("activations.view", message.view, message.view in self._corpora, "texts")
            return
        ids = list(message.ids)
        for index, one in enumerate(ids, len(pushed.ids)):
            if not one:
                raise InvalidArgument(f"activations.ids[{index}]", "Expected an id, but got none")
        rows = pushed.check(ids, message.tensor, self._settings)
        self._check_rows(message.view, len(pushed.ids) + len(rows))
        self._hold(sum(map(weight, ids)))
        pushed.append(ids, rows)

    def _take_gold(self, message: metrics_pb2.GoldPairs) -> None:
        if not self._wants_gold:
            raise InvalidArgument("gold", "Expected gold pairs only where `spec.gold` is set, but got some")
        pairs: list[tuple[str, str]] = []
        held = 0
        for index, pair in enumerate(message.pairs, len(self.gold)):
            if not (pair.source_id and pair.target_id):
                raise InvalidArgument(f"gold.pairs[{index}]", "Expected a source id and a target id, but got none")
            held += weight(pair.source_id, pair.target_id)
            pairs.append((pair.source_id, pair.target_id))
        self._hold(held)
        self.gold += pairs
        if len(self.gold) > self._settings.max_rows:
            raise LimitExceeded("max_rows", f"Expected at most {self._settings.max_rows} gold pairs, but got more")

    def _check_rows(self, name: str, rows: int) -> None:
        if rows > self._settings.max_rows:
            raise LimitExceeded(
                "max_rows", f"Expected at most {self._settings.max_rows} rows of view {name!r}, but got more"
            )

    def _misplaced(self, field: str, name: str, known: bool, wanted: str) -> None:
        if known:
            raise InvalidArgument(field, f"Expected `{wanted}` for view {name!r}, as its `encode` says")
        raise InvalidArgument(field, f"Expected a view of {', '.join(list(self._order)[:20])}, but got {name[:80]!r}")


def _check_text(text: Text, index: int, plan: ViewPlan) -> None:
    field, units = f"texts.texts[{index}]", UNITS.get(plan.pooling)
    if not text.id:
        raise InvalidArgument(f"{field}.id", f"Expected an id in view {plan.name!r}, but got none")
    if not text.words and not text.text.strip():
        raise InvalidArgument(
            f"{field}.text", f"Expected a text that is not empty at id {text.id!r} of view {plan.name!r}"
        )
    if units and not getattr(text, units):
        raise InvalidArgument(
            f"{field}.{units}",
            f"Expected the {units} of text {text.id!r} of view {plan.name!r}, whose pooling is {plan.pooling}, "
            "but got none",
        )


def _weight(text: Text) -> int:
    """Bytes that a text holds."""
    units = 64 * (len(text.spans) + len(text.positions) + len(text.words))
    return weight(text.id, text.text, text.language, *text.words) + units
