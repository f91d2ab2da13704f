"""Figures from the metrics service."""

from collections.abc import Mapping, Sequence
from typing import Final

from babelscope.errors import InvalidRequest
from babelscope.sync.metrics import MetricsClient

from services.runtime.errors import FailedPrecondition
from services.trainer.evaluation.figures import Figure, Pair, Scored

_LABELLED: Final = frozenset({"confusion", "label_f1", "type_f1"})
"""Figures of a label."""


class MetricsScorer:
    """Scores predictions by the metrics service.

    Args:
        client: Its client; closed by the caller.
        resamples: Bootstrap samples of the intervals.
        seed: Seed of the samples.
        timeout: Seconds for one set; the client's default where None.
    """

    def __init__(
        self, client: MetricsClient, *, resamples: int = 1000, seed: int = 0, timeout: float | None = None
    ) -> None:
        self._client, self._timeout = client, timeout
        self._intervals = {"resamples": str(resamples), "seed": str(seed)}

    def __call__(self, score: str, language: str, options: Mapping[str, str], pairs: Sequence[Pair]) -> Scored:
        """Figures of all pairs; see `Scorer`.

        Raises:
            FailedPrecondition: The metrics service refuses the pairs, with its reason.
            BabelscopeError: The metrics service cannot be reached, or fails.
        """
        try:
            scores = self._client.score(
                score,
                [(predicted, gold) for gold, predicted in pairs],
                language=language,
                options={**self._intervals, **options},
                timeout=self._timeout,
            )
        except InvalidRequest as error:
            raise FailedPrecondition(f"score {score}", str(error)) from error
        figures = tuple(
            Figure(
                metric=each.metric,
                estimator=each.estimator,
                value=each.value,
                low=each.low,
                high=each.high,
                n=each.n,
                signature=each.signature,
                left=each.left if each.metric in _LABELLED else "",
                right=each.right if each.metric == "confusion" else "",
            )
            for each in scores.estimates
        )
        warnings = dict.fromkeys(warning for each in scores.estimates for warning in each.warnings)
        return Scored(figures, tuple(warnings))
