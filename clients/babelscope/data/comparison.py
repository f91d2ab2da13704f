"""What the metrics server answers: estimates with all that is needed to read them, and what was used."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Final, Literal

from babelscope.data.activations import Progress
from babelscope.errors import DataCorrupted
from babelscope.v1 import metrics_pb2

Kind = Literal["similarity", "retrieval"]
"""Of which call a number is the answer: `compare` or `retrieve`."""

COLUMNS: Final = (
    "kind", "metric", "estimator", "model", "reinit", "pooling", "source", "target", "layer", "value", "low", "high",
    "n", "signature",
)  # fmt: skip
"""The columns of `Comparison.table`."""

TIDY_COLUMNS: Final = (*COLUMNS, "p_value")
"""The columns of every `results.csv`: one number a row, cells empty where a column does not apply."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """One number with what is needed to read it.

    Args:
        metric: `cka`, `svcca`, `cosine`, `p@1`, `p@5`, `p@10`, `mrr`, `index_recall`.
        estimator: Variant: `debiased`, `biased`, `mean`, `csls`.
        left: Name of the left (source) view.
        right: Name of the right (target) view.
        left_layer: Layer of the left view.
        right_layer: Layer of the right view.
        value: The estimate.
        low: Lower end of the 95 % interval.
        high: Upper end of the 95 % interval.
        n: Rows used.
        null_mean: Mean of the null: what unrelated rows give.
        null_sd: Standard deviation of the null.
        p: Dimensions of the left rows.
        q: Dimensions of the right rows.
        left_kept: Directions kept of the left; 0 where not applicable.
        right_kept: Directions kept of the right; 0 where not applicable.
        signature: All settings behind the number, in one line.
        warnings: Warnings, in words.
    """

    metric: str
    estimator: str
    left: str
    right: str
    left_layer: int
    right_layer: int
    value: float
    low: float
    high: float
    n: int
    null_mean: float
    null_sd: float
    p: int
    q: int
    left_kept: int
    right_kept: int
    signature: str
    warnings: tuple[str, ...]

    @classmethod
    def from_proto(cls, estimate: metrics_pb2.Estimate) -> "Estimate":
        """Reads a message of the contract."""
        values = {each.name: getattr(estimate, each.name) for each in fields(cls)}
        return cls(**{**values, "warnings": tuple(estimate.warnings)})


@dataclass(frozen=True, slots=True)
class ViewUse:
    """How the client described a view.

    Args:
        language: BCP 47 language tag.
        model: Name of the model; empty for pushed activations.
        reinit: Its re-initialisation in short: `1-2@0`.
        pooling: What the hidden states were reduced to.
    """

    language: str = ""
    model: str = ""
    reinit: str = ""
    pooling: str = ""


@dataclass(frozen=True, slots=True)
class ViewReport:
    """One view of a request, as the server saw it.

    Args:
        name: Name of the view.
        rows: Rows received.
        truncated: Texts cut to fit the model.
        tokens: Tokens computed.
        model_digest: Digest of the model behind the rows, empty for pushed activations.
        data_digest: SHA-256 over ids and texts (or activations), in order.
        empty_rows: Words and spans of the texts without pieces, left out of the rows.
    """

    name: str
    rows: int
    truncated: int
    tokens: int
    model_digest: str
    data_digest: str
    empty_rows: int = 0

    @classmethod
    def from_proto(cls, view: metrics_pb2.ViewReport) -> "ViewReport":
        """Reads a message of the contract."""
        return cls(**{each.name: getattr(view, each.name) for each in fields(cls)})


@dataclass(frozen=True, slots=True)
class PairReport:
    """One pair of a request: rows used and rows left out.

    Args:
        left: Name of the left view.
        right: Name of the right view.
        n: Rows used.
        left_only: Ids that only the left view has.
        right_only: Ids that only the right view has.
        examples: Some of them; with gold pairs some sources that are not covered.
        gold_sources: Retrieval with gold pairs: unique sources of the gold pairs.
        covered_sources: Number of sources that the left view has and that have at least one target in the right view.
    """

    left: str
    right: str
    n: int
    left_only: int
    right_only: int
    examples: tuple[str, ...]
    gold_sources: int = 0
    covered_sources: int = 0

    @classmethod
    def from_proto(cls, pair: metrics_pb2.PairReport) -> "PairReport":
        """Reads a message of the contract."""
        values = {each.name: getattr(pair, each.name) for each in fields(cls)}
        return cls(**{**values, "examples": tuple(pair.examples)})


@dataclass(frozen=True, slots=True)
class Comparison:
    """All that a call of `compare` or `retrieve` found.

    Args:
        estimates: The numbers, in the server's order.
        views: Report of the server on each view.
        pairs: What it used of each pair.
        kind: Name of the call that it answers.
        uses: The client's description of each view, by name.
        state: Name of the sums in the store, where they were kept.
    """

    estimates: tuple[Estimate, ...]
    views: tuple[ViewReport, ...] = ()
    pairs: tuple[PairReport, ...] = ()
    kind: Kind = "similarity"
    uses: Mapping[str, ViewUse] = field(default_factory=dict)
    state: str = ""

    def find(
        self,
        metric: str,
        left: str,
        right: str,
        layer: int | tuple[int, int],
        *,
        estimator: str | None = None,
    ) -> Estimate:
        """The one estimate of a metric for a pair at a layer, or at (left layer, right layer).

        Raises:
            LookupError: There is none, or more than one variant of the estimator.
        """
        layers = layer if isinstance(layer, tuple) else (layer, layer)
        found = [
            estimate
            for estimate in self.estimates
            if (estimate.metric, estimate.left, estimate.right) == (metric, left, right)
            and (estimate.left_layer, estimate.right_layer) == layers
            and estimator in (None, estimate.estimator)
        ]
        if len(found) == 1:
            return found[0]
        wanted = f"{metric} of {left!r} and {right!r} at layer {layer}"
        if not found:
            raise LookupError(f"Expected an estimate of {wanted}, but there is none among {len(self.estimates)}")
        variants = ", ".join(sorted({estimate.estimator for estimate in found}))
        raise LookupError(f"Expected one estimate of {wanted}, but got the estimators {variants}: name one")

    def value(
        self, metric: str, left: str, right: str, layer: int | tuple[int, int], *, estimator: str | None = None
    ) -> float:
        """The value of that estimate.

        Raises:
            LookupError: There is none, or more than one variant of the estimator.
        """
        return self.find(metric, left, right, layer, estimator=estimator).value

    def table(self) -> list[dict[str, Any]]:
        """One tidy row a number, with the columns of `COLUMNS`; empty where not applicable.

        Where the sides differ in model, re-initialisation, pooling or layer, the cell has both: `LEFT|RIGHT`.
        """
        return [self._row(estimate) for estimate in self.estimates]

    def _row(self, estimate: Estimate) -> dict[str, Any]:
        """The row of one number."""
        left = self.uses.get(estimate.left, ViewUse())
        right = self.uses.get(estimate.right, ViewUse())
        layers = (estimate.left_layer, estimate.right_layer)
        row: dict[str, Any] = {
            "kind": self.kind,
            "model": _both(left.model, right.model),
            "reinit": _both(left.reinit, right.reinit),
            "pooling": _both(left.pooling, right.pooling),
            "source": left.language or estimate.left,
            "target": right.language or estimate.right,
            "layer": layers[0] if layers[0] == layers[1] else _both(str(layers[0]), str(layers[1])),
        }
        return {column: row[column] if column in row else getattr(estimate, column) for column in COLUMNS}


class Fold:
    """Folds the answers of a `Compare` or `Retrieve` call. Pure: both twins drive it.

    Args:
        kind: Name of the call.
        uses: The client's description of each view.
    """

    def __init__(self, kind: Kind, uses: Mapping[str, ViewUse]) -> None:
        self._kind: Kind = kind
        self._uses = uses
        self._estimates: list[Estimate] = []
        self._report: metrics_pb2.AlignmentReport | None = None

    def receive(self, response: metrics_pb2.CompareResponse | metrics_pb2.RetrieveResponse) -> Progress | None:
        """Takes an answer in; the progress where it tells of one."""
        which = response.WhichOneof("message")
        if which == "estimates":
            self._estimates += map(Estimate.from_proto, response.estimates.estimates)
        elif which == "report":
            self._report = response.report
        elif which == "progress":
            told = response.progress
            return Progress(told.stage, told.done, told.total, told.detail)
        return None

    def finish(self) -> Comparison:
        """The whole, once the stream has ended.

        Raises:
            DataCorrupted: It ended before its report.
        """
        if self._report is None:
            raise DataCorrupted("Expected a report at the end of the answer, but the stream ended without one")
        return Comparison(
            estimates=tuple(self._estimates),
            views=tuple(map(ViewReport.from_proto, self._report.views)),
            pairs=tuple(map(PairReport.from_proto, self._report.pairs)),
            kind=self._kind,
            uses=dict(self._uses),
            state=self._report.state,
        )


def _both(left: str, right: str) -> str:
    """One cell for both sides."""
    return left if left == right else f"{left}|{right}"
