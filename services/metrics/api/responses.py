"""Estimates, progress and reports to messages."""

from collections.abc import Sequence
from dataclasses import asdict

from babelscope.v1 import metrics_pb2

from services.metrics.estimates.estimates import Estimate, Progress
from services.metrics.rows.reports import PairReport, ViewReport


def progress(told: Progress) -> metrics_pb2.MetricsProgress:
    """How far a request is."""
    return metrics_pb2.MetricsProgress(**asdict(told))


def estimates(found: Sequence[Estimate]) -> metrics_pb2.Estimates:
    """Numbers."""
    return metrics_pb2.Estimates(estimates=[metrics_pb2.Estimate(**asdict(one)) for one in found])


def report(views: Sequence[ViewReport], pairs: Sequence[PairReport], state: str = "") -> metrics_pb2.AlignmentReport:
    """What was used and left out."""
    return metrics_pb2.AlignmentReport(
        views=[metrics_pb2.ViewReport(**asdict(view)) for view in views],
        pairs=[metrics_pb2.PairReport(**asdict(pair)) for pair in pairs],
        state=state,
    )
