"""Dashboard, alerts and autoscaler: they ask for what is exported, and alerts fire when they should and not otherwise.

That each metric is exported by a running service is tested where the services run: test_containers.py.
"""

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import promql_parser
import pytest
import yaml

from services.encoder.gauges import Gauges
from services.runtime.telemetry import Telemetry
from tests.mesh.deploy import queries
from tests.mesh.deploy.conftest import kustomization, render

OF_A_TARGET = {"namespace", "pod", "job"}
"""Labels that the PodMonitor gives to every sample."""


def promtool(*words: str) -> str:
    """Runs Prometheus' own tool; the test is skipped where it is not installed."""
    if shutil.which("promtool") is None:
        pytest.skip("promtool is not installed: the alert rules were not run")
    done = subprocess.run(["promtool", *words], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def exported() -> dict[str, set[str]]:
    """Labels of every family that an encoder registers, which has all that any service has."""
    telemetry = Telemetry()
    Gauges(telemetry)
    return {
        family.name: set(collector._labelnames)
        for collector in telemetry.registry._collector_to_names
        for family in collector.describe()
    }


@pytest.mark.parametrize(("where", "expression"), queries.expressions().items(), ids=lambda value: value[:40])
def test_an_expression_uses_labels_that_there_are(where: str, expression: str) -> None:
    known, grouped, available = exported(), set(), set(OF_A_TARGET)
    for node in queries.nodes(queries.parse(expression)):
        if isinstance(node, promql_parser.VectorSelector):
            labels = known.get(queries.family(node.name), set()) | OF_A_TARGET
            available |= labels | ({"le"} if node.name.endswith("_bucket") else set())
            assert {matcher.name for matcher in node.matchers.matchers} <= labels, where
        elif isinstance(node, promql_parser.AggregateExpr) and node.modifier is not None:
            grouped |= set(node.modifier.labels)
    assert grouped <= available, where


def test_the_parser_sees_every_metric() -> None:
    """A selector in a corner of the tree that the walk misses would go untested."""
    names = {
        name
        for expression in queries.expressions().values()
        for name in re.findall(
            r"\b(?:encoder|grpc|process|trainer)_\w+|\bup\b", re.sub(r"\([a-z_, ]+\)|\{[^}]*\}", "", expression)
        )
    }
    assert names == queries.metrics()
    assert "encoder_queued_tokens" in names


def test_the_dashboard_is_whole() -> None:
    board = queries.dashboard()
    panels = board["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    cells = [
        (x, y)
        for panel in panels
        for x in range(panel["gridPos"]["x"], panel["gridPos"]["x"] + panel["gridPos"]["w"])
        for y in range(panel["gridPos"]["y"], panel["gridPos"]["y"] + panel["gridPos"]["h"])
    ]
    assert len(set(cells)) == len(cells)
    assert max(x for x, _ in cells) == 23
    variables = {variable["name"] for variable in board["templating"]["list"]}
    of_grafana = {"__rate_interval", "__all"}
    assert set(re.findall(r"\$\{?(\w+)\}?", json.dumps(board))) - of_grafana == variables
    assert all(panel["description"] for panel in panels if panel["type"] != "row")


def test_grafana_finds_the_dashboard(tmp_path: Path) -> None:
    objects = render(kustomization(tmp_path, ["monitoring"]))
    [found] = [item for item in objects if item["metadata"]["name"] == "babelscope-dashboard"]
    assert found["metadata"]["labels"]["grafana_dashboard"] == "1"
    assert json.loads(found["data"]["babelscope.json"]) == queries.dashboard()


def test_every_server_is_scraped(tmp_path: Path) -> None:
    objects = render(kustomization(tmp_path, ["monitoring"]))
    [monitor] = [item["spec"] for item in objects if item["kind"] == "PodMonitor"]
    [endpoint] = monitor["podMetricsEndpoints"]
    templates = [item["spec"]["template"] for item in objects if item["kind"] == "Deployment"]
    assert len(templates) == 4
    for template in templates:
        labels = template["metadata"]["labels"]
        assert monitor["selector"]["matchLabels"].items() <= labels.items()
        assert labels[monitor["jobLabel"]].startswith("babelscope-")
        assert endpoint["port"] in {port["name"] for port in template["spec"]["containers"][0]["ports"]}


def test_an_alert_names_labels_that_it_has() -> None:
    for group in queries.rules()["groups"]:
        for rule in group["rules"]:
            tree = queries.parse(rule["expr"])
            while isinstance(tree, promql_parser.BinaryExpr):
                tree = tree.lhs
            grouped = isinstance(tree, promql_parser.AggregateExpr)
            labels = set(tree.modifier.labels) if grouped else OF_A_TARGET
            named = set(re.findall(r"\$labels\.(\w+)", str(rule["annotations"])))
            assert named <= labels, rule["alert"]
            assert rule["labels"]["severity"] in {"warning", "critical"}


def test_the_autoscaler_has_the_replicas_to_itself(tmp_path: Path) -> None:
    objects = render(kustomization(tmp_path, ["autoscaling"]))
    [scaled] = [item["spec"] for item in objects if item["kind"] == "ScaledObject"]
    [target] = [
        item["spec"]
        for item in objects
        if item["kind"] == "Deployment" and item["metadata"]["name"] == scaled["scaleTargetRef"]["name"]
    ]
    assert "replicas" not in target
    assert 1 <= scaled["minReplicaCount"] < scaled["maxReplicaCount"]


POD = '{namespace="n", job="babelscope-encoder", pod="p"}'
TRAINER = '{namespace="n", job="babelscope-trainer", pod="t"}'
OTHER_POD = POD.replace('"p"', '"q"')


def _handled(code: str) -> str:
    return f'grpc_server_handled_total{POD[:-1]}, grpc_method="Encode", grpc_code="{code}"}}'


HEALTHY = {
    f"up{POD}": "1x200",
    f"process_start_time_seconds{POD}": "100x200",
    f"process_open_fds{POD}": "100x200",
    f"process_max_fds{POD}": "1000x200",
    _handled("OK"): "0+6000x200",
    _handled("INTERNAL"): "0+1x200",
    _handled("RESOURCE_EXHAUSTED"): "0+60x200",
    _handled("UNAUTHENTICATED"): "0+6x200",
    f"encoder_queued_tokens{POD}": "60000x200",
    f"encoder_tokens_total{POD}": "0+60000x200",
    f"encoder_batches_total{POD}": "0+60x200",
    f"encoder_unread_bytes{POD}": "1000x200",
    f"trainer_jobs_queued{TRAINER}": "3x200",
    f"trainer_queue_seconds{TRAINER}": "1800x200",
}
"""A server at work: a thousand tokens a second, one minute of work in its queue."""
METHOD = {"namespace": "n", "job": "babelscope-encoder", "grpc_method": "Encode"}
SERVICE = {"namespace": "n", "job": "babelscope-encoder"}
SERVER = {**SERVICE, "pod": "p"}
FAULTS: dict[str, tuple[dict[str, str], dict[str, str]]] = {
    "BabelscopeServerDown": (
        {f"up{POD}": "0x200", f"up{OTHER_POD}": "1x200"},
        SERVER,
    ),
    "BabelscopeServiceAbsent": ({f"up{POD}": "1x30 _x170"}, SERVICE),
    "BabelscopeRestarts": ({f"process_start_time_seconds{POD}": "100+600x200"}, SERVER),
    "BabelscopeFilesRunOut": ({f"process_open_fds{POD}": "900x200"}, SERVER),
    "BabelscopeServerErrors": ({_handled("INTERNAL"): "0+120x200"}, METHOD),
    "BabelscopeRefusals": ({_handled("RESOURCE_EXHAUSTED"): "0+1200x200"}, SERVICE),
    "BabelscopeUnauthenticated": ({_handled("UNAUTHENTICATED"): "0+120x200"}, SERVICE),
    "BabelscopeQueueLong": ({f"encoder_queued_tokens{POD}": "180000x200"}, SERVER),
    "BabelscopeEncoderStalled": (
        {f"encoder_batches_total{POD}": "60x200", f"encoder_tokens_total{POD}": "600x200"},
        SERVER,
    ),
    "BabelscopeJobsWait": ({f"trainer_queue_seconds{TRAINER}": "600+120x200"}, {"namespace": "n"}),
    "BabelscopeJobTableAway": ({f"trainer_jobs_queued{TRAINER}": "NaN " * 200}, {"namespace": "n"}),
    "BabelscopeAnswersUnread": ({f"encoder_unread_bytes{POD}": "3e8x200"}, SERVER),
}
"""For each alert the series that differ, and the labels with which it fires: it alone."""


def test_every_alert_fires_on_its_fault_and_on_no_other(tmp_path: Path) -> None:
    rules = {rule["alert"]: rule for group in queries.rules()["groups"] for rule in group["rules"]}
    assert rules.keys() == FAULTS.keys()
    (tmp_path / "rules.yaml").write_text(yaml.safe_dump(queries.rules()))
    tests = [_case(rules, "", HEALTHY, {})]
    tests += [_case(rules, alert, {**HEALTHY, **series}, labels) for alert, (series, labels) in FAULTS.items()]
    (tmp_path / "test.yaml").write_text(yaml.safe_dump({"rule_files": ["rules.yaml"], "tests": tests}))
    promtool("check", "rules", str(tmp_path / "rules.yaml"))
    assert "SUCCESS" in promtool("test", "rules", str(tmp_path / "test.yaml"))


def _case(rules: dict[str, Any], firing: str, series: dict[str, str], labels: dict[str, str]) -> dict[str, Any]:
    """What promtool is told: the series, and for every alert whether it fires after an hour."""
    asked = []
    for alert, rule in rules.items():
        expected = []
        if alert == firing:
            said = {name: _filled(text, labels) for name, text in rule["annotations"].items()}
            expected = [{"exp_labels": {**rule["labels"], **labels}, "exp_annotations": said}]
        asked.append({"eval_time": "60m", "alertname": alert, "exp_alerts": expected})
    return {
        "name": firing or "healthy",
        "interval": "1m",
        "input_series": [{"series": name, "values": values} for name, values in series.items()],
        "alert_rule_test": asked,
    }


def _filled(text: str, labels: dict[str, str]) -> str:
    return re.sub(r"\{\{ \$labels\.(\w+) \}\}", lambda match: labels[match[1]], text)
