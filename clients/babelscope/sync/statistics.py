"""The synchronous calls of the metrics server for statistics."""

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import grpc

from babelscope.calls.metrics import MetricsBase
from babelscope.data.statistics import (
    Anova,
    Correlation,
    Difference,
    anova_request,
    correlate_request,
    correlations,
    systems_request,
)


class StatisticsCalls(MetricsBase):
    """Calls for statistics of numbers that have been measured, part of the metrics client."""

    _stub: Any

    def correlate(
        self,
        x: Iterable[float],
        y: Iterable[float],
        methods: Sequence[str] = (),
        *,
        permutations: int = 0,
        seed: int = 0,
        timeout: float | None = None,
    ) -> dict[str, Correlation]:
        """Correlations of two samples, by method.

        Args:
            x: First sample, at least 3 numbers.
            y: Second sample, of the same length.
            methods: `pearson`, `spearman`, `kendall`; all where empty.
            permutations: Of the test; 10,000 where 0.
            seed: Of the permutations.
            timeout: Seconds for the whole call.

        Raises:
            InvalidRequest: A sample is too short, constant or not finite; `.field` names it.
            RpcError: The server answered with another error, or could not be reached for too long.
        """
        request = correlate_request(x, y, methods, permutations, seed)
        return correlations(self._ask("Correlate", self._stub.Correlate, request, timeout))

    def anova(self, groups: Mapping[str, Iterable[float]], *, timeout: float | None = None) -> Anova:
        """One-way analysis of variance with its effect sizes.

        Args:
            groups: Numbers by name of the group, at least two groups.
            timeout: Seconds for the whole call.

        Raises:
            InvalidRequest: There are too few groups or numbers, or no variance within the groups.
            RpcError: The server answered with another error, or could not be reached for too long.
        """
        return Anova.from_proto(self._ask("Anova", self._stub.Anova, anova_request(groups), timeout))

    def compare_systems(
        self,
        first: Iterable[float],
        second: Iterable[float],
        *,
        resamples: int = 0,
        seed: int = 0,
        timeout: float | None = None,
    ) -> Difference:
        """Paired bootstrap between two systems scored on the same items.

        Args:
            first: The first system's score of each item.
            second: The second system's, in the same order.
            resamples: Samples drawn; 10,000 where 0.
            seed: Of the samples.
            timeout: Seconds for the whole call.

        Raises:
            InvalidRequest: The lists differ in length, are too short or not finite.
            RpcError: The server answered with another error, or could not be reached for too long.
        """
        request = systems_request(first, second, resamples, seed)
        return Difference.from_proto(self._ask("CompareSystems", self._stub.CompareSystems, request, timeout))

    def _ask(self, name: str, method: Callable[..., Any], request: Any, timeout: float | None) -> Any:
        """One answer to one message, asked again where the server could not be reached."""
        retry = self._retry(self._config.timeout if timeout is None else timeout)
        request_id = self._config.new_request_id()
        metadata = self._config.metadata(request_id)
        while True:
            try:
                answer = method(request, timeout=retry.remaining(), metadata=metadata)
            except grpc.RpcError as error:
                broken = self._translate(error, name, request_id)
            else:
                retry.accepted()
                return answer
            time.sleep(retry.delay(broken))
