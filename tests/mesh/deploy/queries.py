"""What dashboards, alert rules and autoscalers ask Prometheus, read with a parser of its language."""

import json
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import promql_parser
import yaml
from prometheus_client.parser import text_string_to_metric_families

COMPONENTS = Path(__file__).resolve().parents[3] / "deploy" / "k8s" / "components"
OF_PROMETHEUS = {"up"}
"""What Prometheus itself records of each scrape."""
OF_ONE_SERVICE = {"encoder": "encoder_", "metrics": "metrics_", "datagen": "datagen_", "trainer": "trainer_"}
"""Prefixes of what one service alone exports; all export the rest."""


def expressions() -> dict[str, str]:
    """Every expression, by the file and the panel, rule or trigger that has it."""
    found = {}
    for panel in dashboard()["panels"]:
        for target in panel.get("targets", []):
            found[f"dashboard: {panel['title']} {target['refId']}"] = target["expr"]
    for group in rules()["groups"]:
        for rule in group["rules"]:
            found[f"alert: {rule['alert']}"] = rule["expr"]
    scaled = yaml.safe_load((COMPONENTS / "autoscaling" / "encoder.yaml").read_text())
    for number, trigger in enumerate(scaled["spec"]["triggers"]):
        found[f"autoscaler: {number}"] = trigger["metadata"]["query"]
    return found


def dashboard() -> Any:
    """The dashboard, as Grafana reads it."""
    return json.loads((COMPONENTS / "monitoring" / "babelscope.json").read_text())


def rules() -> Any:
    """The alert rules, as Prometheus reads them."""
    return yaml.safe_load((COMPONENTS / "monitoring" / "alerts.yaml").read_text())["spec"]


def parse(expression: str) -> Any:
    """The syntax tree; Grafana's variables are given values first.

    Raises:
        ValueError: It is no expression.
    """
    return promql_parser.parse(expression.replace("$__rate_interval", "5m"))


def nodes(tree: Any) -> Iterator[Any]:
    """All nodes of a syntax tree."""
    yield tree
    parts = [getattr(tree, name, None) for name in ("expr", "lhs", "rhs", "param", "vector_selector", "vs")]
    for part in [*parts, *(getattr(tree, "args", None) or ())]:
        if part is not None and not isinstance(part, (str, int, float)):
            yield from nodes(part)


@cache
def metrics() -> frozenset[str]:
    """Names of all metrics that are asked for."""
    return frozenset(
        node.name
        for expression in expressions().values()
        for node in nodes(parse(expression))
        if isinstance(node, promql_parser.VectorSelector)
    )


def family(metric: str) -> str:
    """The family of a sample: `grpc_server_handled_total` is of `grpc_server_handled`."""
    return re.sub(r"_(total|bucket|count|sum)$", "", metric)


def exported_by(service: str) -> set[str]:
    """The families that are asked for and that a service must export: its own, and those that all export."""
    others = tuple(prefix for name, prefix in OF_ONE_SERVICE.items() if name != service)
    return {family(name) for name in metrics() - OF_PROMETHEUS if not name.startswith(others)}


def families(exposition: str) -> set[str]:
    """The families that a server exports, whether or not they have a sample yet."""
    return {found.name for found in text_string_to_metric_families(exposition)}
