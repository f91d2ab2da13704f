"""Every overlay and every combination of components: rendered, valid by the schemas, and whole.

`KUBERNETES_CRDS` may name a folder with the CustomResourceDefinitions of KubeRay, KEDA and the Prometheus operator, as
their projects publish them; without it their objects are checked in the parts that Kubernetes itself defines.
"""

import json
import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import jsonschema
import kubernetes_validate
import pytest
import yaml

from tests.mesh.deploy.conftest import COMPONENTS, K8S, OVERLAYS, ROOT, kustomization, render

VERSION = "1.32"
FOREIGN = {
    "RayCluster": "ray.io/v1",
    "ScaledObject": "keda.sh/v1alpha1",
    "PodMonitor": "monitoring.coreos.com/v1",
    "PrometheusRule": "monitoring.coreos.com/v1",
}
"""Kinds that operators bring."""
SECRETS = {"babelscope-database", "babelscope-hub", "babelscope-store", "babelscope-tls", "babelscope-token"}
"""What a team makes; docs/deploy.md says how."""

_valid: set[str] = set()


def validate(item: dict[str, Any]) -> None:
    """Checks an object by the schema of Kubernetes; of a foreign kind, what Kubernetes itself makes of it."""
    text = json.dumps(item, sort_keys=True)
    if text in _valid:
        return
    if item["kind"] in FOREIGN:
        assert item["apiVersion"] == FOREIGN[item["kind"]]
        for made in _made_of(item):
            kubernetes_validate.validate(made, VERSION, strict=True)
    else:
        kubernetes_validate.validate(item, VERSION, strict=True)
    _valid.add(text)


def _made_of(item: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The objects of Kubernetes that an operator makes of its own kind."""
    spec, metadata = item["spec"], {"name": item["metadata"]["name"]}
    if item["kind"] == "RayCluster":
        for group in (spec["headGroupSpec"], *spec["workerGroupSpecs"]):
            yield {"apiVersion": "v1", "kind": "Pod", **group["template"], "metadata": metadata}
    if item["kind"] == "ScaledObject":
        yield {
            "apiVersion": "autoscaling/v2",
            "kind": "HorizontalPodAutoscaler",
            "metadata": metadata,
            "spec": {
                "scaleTargetRef": {"kind": "Deployment", **spec["scaleTargetRef"]},
                "minReplicas": spec["minReplicaCount"],
                "maxReplicas": spec["maxReplicaCount"],
                "behavior": spec["advanced"]["horizontalPodAutoscalerConfig"]["behavior"],
            },
        }


def pods(objects: Sequence[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Specs of all pods."""
    for item in objects:
        if item["kind"] == "Deployment":
            yield item["spec"]["template"]["spec"]
        elif item["kind"] == "RayCluster":
            spec = item["spec"]
            yield from (group["template"]["spec"] for group in (spec["headGroupSpec"], *spec["workerGroupSpecs"]))


def check_whole(objects: Sequence[dict[str, Any]]) -> None:
    """Checks that names are unique, that all that a pod names is there, and that nothing is there for nobody."""
    names = [(item["kind"], item["metadata"]["name"]) for item in objects]
    assert len(set(names)) == len(names)
    known = {kind: {name for each, name in names if each == kind} for kind, _ in names}
    used: dict[str, set[str]] = {"ConfigMap": set(), "PersistentVolumeClaim": set(), "Secret": set()}
    for spec in pods(objects):
        [box] = spec["containers"]
        volumes = {volume["name"]: volume for volume in spec["volumes"]}
        assert {mount["name"] for mount in box["volumeMounts"]} == volumes.keys()
        assert len({mount["mountPath"] for mount in box["volumeMounts"]}) == len(volumes)
        variables = [item["name"] for item in box["env"]]
        assert len(set(variables)) == len(variables)
        for source in box["envFrom"]:
            kind, reference = ("ConfigMap", "configMapRef") if "configMapRef" in source else ("Secret", "secretRef")
            used[kind].add(source[reference]["name"])
        for item in box["env"]:
            if secret := item.get("valueFrom", {}).get("secretKeyRef"):
                used["Secret"].add(secret["name"])
        for volume in volumes.values():
            if "persistentVolumeClaim" in volume:
                used["PersistentVolumeClaim"].add(volume["persistentVolumeClaim"]["claimName"])
            if "secret" in volume:
                used["Secret"].add(volume["secret"]["secretName"])
        if "serviceAccountName" in spec:
            assert spec["serviceAccountName"] in known["ServiceAccount"]
        assert re.fullmatch(r".*babelscope-[a-z]+:\d+\.\d+\.\d+[\w.-]*", box["image"])
    assert used["Secret"] <= SECRETS
    assert used["PersistentVolumeClaim"] == known["PersistentVolumeClaim"]
    assert used["ConfigMap"] == known["ConfigMap"] - {"babelscope-dashboard"}
    assert "Secret" not in known
    assert all(item["metadata"]["labels"]["app.kubernetes.io/part-of"] == "babelscope" for item in objects)


def check(path: str) -> list[dict[str, Any]]:
    """Renders a kustomization and checks all of it."""
    objects = render(path)
    for item in objects:
        validate(item)
    check_whole(objects)
    return objects


def test_all_components_are_in_the_list() -> None:
    assert set(COMPONENTS) == {path.parent.name for path in K8S.glob("components/*/kustomization.yaml")}


@pytest.mark.parametrize("path", OVERLAYS)
def test_an_overlay(path: str) -> None:
    objects = check(path)
    if path == "base":
        assert len(objects) == 6 * 4 + 2


@pytest.mark.parametrize("component", COMPONENTS)
def test_a_component(component: str, tmp_path: Path) -> None:
    changed = check(kustomization(tmp_path, [component]))
    assert changed != render("base")


def test_all_components_together(tmp_path: Path) -> None:
    objects = check(kustomization(tmp_path, COMPONENTS))
    assert {item["kind"] for item in objects} >= FOREIGN.keys()


def test_what_the_page_tells_a_team_to_write(tmp_path: Path) -> None:
    """Each kustomization of docs/deploy.md, as it stands there."""
    page = (ROOT / "docs" / "deploy.md").read_text()
    found = [block for block in re.findall(r"```yaml\n(.*?)```", page, re.DOTALL) if "kind: Kustomization" in block]
    assert len(found) >= 3
    for number, block in enumerate(found):
        folder = tmp_path / str(number)
        folder.mkdir()
        start = os.path.relpath(K8S, folder.resolve())
        (folder / "kustomization.yaml").write_text(block.replace("path/to/deploy/k8s", start))
        objects = render(str(folder))
        for item in objects:
            validate(item)
        check_whole(objects)


def test_foreign_kinds_by_their_own_definitions(tmp_path: Path) -> None:
    folder = os.environ.get("KUBERNETES_CRDS")
    if not folder:
        pytest.skip("KUBERNETES_CRDS names no folder: kinds of operators were not checked by their own definitions")
    schemas = {}
    for path in Path(folder).glob("*.yaml"):
        for definition in yaml.safe_load_all(path.read_text()):
            if definition and definition["kind"] == "CustomResourceDefinition":
                for version in definition["spec"]["versions"]:
                    key = f"{definition['spec']['group']}/{version['name']}", definition["spec"]["names"]["kind"]
                    schemas[key] = _closed(version["schema"]["openAPIV3Schema"])
    checked = set()
    for item in render(kustomization(tmp_path, COMPONENTS)):
        if item["kind"] in FOREIGN:
            jsonschema.validate({**item, "metadata": {}}, schemas[item["apiVersion"], item["kind"]])
            checked.add(item["kind"])
    assert checked == FOREIGN.keys()


def _closed(schema: Any) -> Any:
    """A schema that refuses properties it does not name, as the API server would drop them."""
    if isinstance(schema, list):
        return [_closed(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    closed = {name: _closed(value) for name, value in schema.items()}
    if schema.get("x-kubernetes-int-or-string"):
        closed.pop("type", None)
    if isinstance(pattern := schema.get("pattern"), str):
        closed["pattern"] = re.sub(r"^\^(\(\?\w+\))", r"\1^", pattern)  # Go takes flags anywhere, Python at the start
    open_ended = schema.get("x-kubernetes-preserve-unknown-fields") or "additionalProperties" in schema
    if isinstance(schema.get("properties"), dict) and schema.get("type") == "object" and not open_ended:
        closed["additionalProperties"] = False
    return closed


def test_the_ray_cluster_is_the_trainers(tmp_path: Path) -> None:
    objects = render(kustomization(tmp_path, ["ray", "gpu-trainer", "s3", "tls"]))
    [cluster] = [item for item in objects if item["kind"] == "RayCluster"]
    [trainer] = [
        item["spec"]["template"]["spec"]["containers"][0]
        for item in objects
        if item["kind"] == "Deployment" and item["metadata"]["name"] == "babelscope-trainer"
    ]
    [address] = [item["value"] for item in trainer["env"] if item["name"] == "RAY_ADDRESS"]
    told = {item["name"]: item.get("value") for item in trainer["env"]}
    assert (told["BABELSCOPE_RUNNER"], told["BABELSCOPE_RAY_GPUS"]) == ("ray", "1")
    assert int(told["BABELSCOPE_SLOTS"]) == cluster["spec"]["workerGroupSpecs"][0]["maxReplicas"]
    head, worker = cluster["spec"]["headGroupSpec"], cluster["spec"]["workerGroupSpecs"][0]
    ports = {port["name"]: port["containerPort"] for port in head["template"]["spec"]["containers"][0]["ports"]}
    assert address == f"ray://{cluster['metadata']['name']}-head-svc:{ports['client']}"
    assert head["rayStartParams"]["num-cpus"] == "0"
    box = worker["template"]["spec"]["containers"][0]
    assert box["resources"]["limits"]["nvidia.com/gpu"] == "1"
    for group in (head, worker):
        one = group["template"]["spec"]["containers"][0]
        assert one["image"] == trainer["image"]
        assert one["envFrom"] == trainer["envFrom"]
        assert one["securityContext"] == trainer["securityContext"]
        assert "RAY_ADDRESS" not in {item["name"] for item in one["env"]}
        token = [item["valueFrom"] for item in one["env"] if item["name"] == "BABELSCOPE_PEER_TOKEN"]
        assert token == [{"secretKeyRef": {"name": "babelscope-token", "key": "token"}}]
    leave = [
        rule
        for item in objects
        if item["kind"] == "NetworkPolicy" and item["metadata"]["name"] == "babelscope-trainer-to-ray"
        for rule in item["spec"]["egress"]
    ]
    assert {"port": ports["client"]} in leave[0]["ports"]


def allowed(objects: Sequence[dict[str, Any]], service: str) -> set[tuple[str, Any]]:
    """Where a service's pods may go: pairs of address and port, `*` for any."""
    labels = {"app.kubernetes.io/part-of": "babelscope", "app.kubernetes.io/name": f"babelscope-{service}"}
    found = set()
    for item in objects:
        if item["kind"] != "NetworkPolicy" or "Egress" not in item["spec"]["policyTypes"]:
            continue
        if not item["spec"]["podSelector"]["matchLabels"].items() <= labels.items():
            continue
        for rule in item["spec"]["egress"]:
            places = [peer["ipBlock"]["cidr"] for peer in rule.get("to", []) if "ipBlock" in peer]
            places = places if "to" in rule else ["*"]
            found |= {(place, port["port"]) for place in places for port in rule["ports"]}
    return found


@pytest.mark.parametrize("service", ["encoder", "metrics", "datagen", "trainer"])
def test_ways_out(service: str, tmp_path: Path) -> None:
    base = allowed(render("base"), service)
    assert base == {("*", 53), ("*", 443)} | ({("*", 5432)} if service == "trainer" else set())
    for component, more in {
        "egress-s3": {("*", 9000)},
        "proxy": {("*", 3128)},
        "pod-identity": {
            *(("169.254.170.23/32", 80), ("fd00:ec2::23/128", 80), ("169.254.169.254/32", 80)),
            *(("169.254.169.252/32", 987), ("169.254.169.252/32", 988)),
        },
    }.items():
        assert allowed(render(kustomization(tmp_path / component, [component])), service) == base | more
