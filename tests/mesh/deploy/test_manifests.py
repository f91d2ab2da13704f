"""The manifests: valid by the schema of Kubernetes, and safe by the rules of this house."""

import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from services.datagen.settings import DatagenSettings
from services.encoder.settings import EncoderSettings
from services.metrics.settings import MetricsSettings
from services.runtime.server import STOP_SECONDS
from services.trainer.settings import TrainerSettings
from tests.mesh.deploy.conftest import OVERLAYS

Objects = list[dict[str, Any]]
Render = Callable[[str], Objects]

SERVICES = {
    "encoder": ("babelscope.v1.EncoderService", EncoderSettings),
    "metrics": ("babelscope.v1.MetricsService", MetricsSettings),
    "datagen": ("babelscope.v1.DatagenService", DatagenSettings),
    "trainer": ("babelscope.v1.TrainerService", TrainerSettings),
}
WITH_TLS = {"overlays/tls", "overlays/team", "overlays/team-gpu"}

every_path = pytest.mark.parametrize("path", OVERLAYS)
every_service = pytest.mark.parametrize("service", SERVICES)


def find(objects: Objects, kind: str, service: str) -> dict[str, Any]:
    """The one object of a kind that belongs to a service."""
    [found] = [
        item
        for item in objects
        if item["kind"] == kind and re.fullmatch(rf"babelscope-{service}(-[a-z0-9]{{10}})?", item["metadata"]["name"])
    ]
    return found


def pod(objects: Objects, service: str) -> dict[str, Any]:
    spec: dict[str, Any] = find(objects, "Deployment", service)["spec"]["template"]["spec"]
    return spec


def container(objects: Objects, service: str) -> dict[str, Any]:
    [only] = pod(objects, service)["containers"]
    return dict(only)


def settings(objects: Objects, service: str) -> dict[str, str]:
    """The variables that come from the ConfigMap."""
    data: dict[str, str] = find(objects, "ConfigMap", service)["data"]
    return data


def on_s3(objects: Objects, service: str) -> bool:
    """Whether the URL of the store comes from a secret, which is read after the settings."""
    sources = container(objects, service)["envFrom"]
    return sources[-1] == {"secretRef": {"name": "babelscope-store"}}


def strings(value: Any) -> Iterator[str]:
    """All strings within a manifest."""
    if isinstance(value, dict):
        for key, item in value.items():
            yield key
            yield from strings(item)
    elif isinstance(value, list):
        for item in value:
            yield from strings(item)
    elif isinstance(value, str):
        yield value


@every_path
def test_the_namespace_is_the_teams_choice(path: str, rendered: Render) -> None:
    assert all("namespace" not in item["metadata"] for item in rendered(path))


@every_path
@every_service
def test_the_settings_are_settings_of_the_service(
    path: str, service: str, rendered: Render, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, kind = SERVICES[service]
    values = settings(rendered(path), service)
    fields = {f"BABELSCOPE_{name}".upper() for name in kind.model_fields}
    given = {*values, *(item["name"] for item in container(rendered(path), service)["env"])}
    unknown = {name for name in given if name.startswith("BABELSCOPE_")} - fields
    assert not unknown
    for name, value in values.items():
        monkeypatch.setenv(name, value)
    kind()


@every_path
@every_service
def test_listening_in_the_open_is_said_aloud(path: str, service: str, rendered: Render) -> None:
    values = settings(rendered(path), service)
    assert values["BABELSCOPE_HOST"] == "0.0.0.0"
    with_tls = "BABELSCOPE_TLS_CERTIFICATE" in values
    assert values["BABELSCOPE_INSECURE"] == ("false" if with_tls else "true")
    assert with_tls == (path in WITH_TLS)


@every_path
@every_service
def test_pods_are_restricted(path: str, service: str, rendered: Render) -> None:
    """The `restricted` profile of the pod security standards, and more."""
    spec, box = pod(rendered(path), service), container(rendered(path), service)
    assert spec["securityContext"]["runAsNonRoot"] is True
    assert spec["securityContext"]["runAsUser"] >= 1000
    assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert box["securityContext"]["allowPrivilegeEscalation"] is False
    assert box["securityContext"]["capabilities"] == {"drop": ["ALL"]}
    assert box["securityContext"]["readOnlyRootFilesystem"] is True
    assert spec["automountServiceAccountToken"] is False
    assert find(rendered(path), "ServiceAccount", service)["automountServiceAccountToken"] is False
    assert not {"hostNetwork", "hostPID", "hostIPC"} & spec.keys()
    assert all({"emptyDir", "secret", "persistentVolumeClaim"} & volume.keys() for volume in spec["volumes"])


@every_path
@every_service
def test_everything_that_is_written_is_mounted(path: str, service: str, rendered: Render, image: Any) -> None:
    box = container(rendered(path), service)
    mounts = {mount["mountPath"] for mount in box["volumeMounts"]}
    volumes = {volume["name"] for volume in pod(rendered(path), service)["volumes"]}
    assert {mount["name"] for mount in box["volumeMounts"]} == volumes
    values = {**image(service).environment, **settings(rendered(path), service)}
    written = {"XDG_CACHE_HOME", "HF_HOME", "BABELSCOPE_SCRATCH_DIR", "BABELSCOPE_WORK_DIR"} & values.keys()
    if not on_s3(rendered(path), service):
        written.add("BABELSCOPE_STORE_URL")
    for name in written:
        assert f"/{values[name].split('/')[1]}" in mounts, name
    assert "/tmp" in mounts


@every_path
@every_service
def test_probes(path: str, service: str, rendered: Render) -> None:
    box, values = container(rendered(path), service), settings(rendered(path), service)
    port = int(values.get("BABELSCOPE_HEALTH_PORT") or values["BABELSCOPE_PORT"])
    for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
        assert box[probe]["grpc"]["port"] == port
    assert box["readinessProbe"]["grpc"]["service"] == SERVICES[service][0]
    # The server as a whole, whatever its queue does, and with patience.
    liveness = box["livenessProbe"]
    assert not liveness["grpc"].get("service")
    assert liveness["periodSeconds"] * liveness["failureThreshold"] >= 60
    startup = box["startupProbe"]
    assert startup["periodSeconds"] * startup["failureThreshold"] >= 600


@every_path
@every_service
def test_ports_fit(path: str, service: str, rendered: Render) -> None:
    box, values = container(rendered(path), service), settings(rendered(path), service)
    ports = {port["name"]: str(port["containerPort"]) for port in box["ports"]}
    expected = {"grpc": values["BABELSCOPE_PORT"], "prometheus": values["BABELSCOPE_PROMETHEUS_PORT"]}
    if "BABELSCOPE_HEALTH_PORT" in values:
        expected["health"] = values["BABELSCOPE_HEALTH_PORT"]
    assert ports == expected
    assert int(ports["grpc"]) == SERVICES[service][1].model_fields["port"].default
    annotations = find(rendered(path), "Deployment", service)["spec"]["template"]["metadata"]["annotations"]
    assert annotations["prometheus.io/port"] == ports["prometheus"]
    headless = find(rendered(path), "Service", service)["spec"]
    assert headless["clusterIP"] == "None"
    assert [(port["port"], port["targetPort"]) for port in headless["ports"]] == [(int(ports["grpc"]), "grpc")]


@every_path
@every_service
def test_the_drain_fits_the_pods_grace(path: str, service: str, rendered: Render) -> None:
    given = settings(rendered(path), service)
    notice, drain = float(given["BABELSCOPE_DRAIN_NOTICE_SECONDS"]), float(given["BABELSCOPE_DRAIN_SECONDS"])
    assert notice > 0
    assert pod(rendered(path), service)["terminationGracePeriodSeconds"] >= notice + drain + STOP_SECONDS + 5


@every_path
@every_service
def test_all_objects_mean_the_same_pods(path: str, service: str, rendered: Render) -> None:
    objects = rendered(path)
    labels = find(objects, "Deployment", service)["spec"]["template"]["metadata"]["labels"]
    assert labels["app.kubernetes.io/part-of"] == "babelscope"
    for selector in (
        find(objects, "Deployment", service)["spec"]["selector"]["matchLabels"],
        find(objects, "Service", service)["spec"]["selector"],
        find(objects, "PodDisruptionBudget", service)["spec"]["selector"]["matchLabels"],
        find(objects, "NetworkPolicy", service)["spec"]["podSelector"]["matchLabels"],
    ):
        assert selector == {"app.kubernetes.io/name": f"babelscope-{service}"}
        assert selector.items() <= labels.items()
    spec = pod(objects, service)
    assert spec["serviceAccountName"] == find(objects, "ServiceAccount", service)["metadata"]["name"]
    source = container(objects, service)["envFrom"][0]
    assert source["configMapRef"]["name"] == find(objects, "ConfigMap", service)["metadata"]["name"]


@every_path
@every_service
def test_a_disruption_never_takes_all_and_never_blocks(path: str, service: str, rendered: Render) -> None:
    assert find(rendered(path), "PodDisruptionBudget", service)["spec"]["maxUnavailable"] == 1


@every_path
@every_service
def test_the_clusters_own_variables_are_no_settings(path: str, service: str, rendered: Render) -> None:
    """A service called babelscope would set BABELSCOPE_PORT, to a URL."""
    assert pod(rendered(path), service)["enableServiceLinks"] is False


@every_path
@every_service
def test_resources_are_bounded_and_threads_follow(path: str, service: str, rendered: Render) -> None:
    box = container(rendered(path), service)
    for kind in ("requests", "limits"):
        assert {"cpu", "memory", "ephemeral-storage"} <= box["resources"][kind].keys()
    cores = {"resourceFieldRef": {"resource": "limits.cpu"}}
    from_limits = [item["name"] for item in box["env"] if item.get("valueFrom") == cores]
    assert "OMP_NUM_THREADS" in from_limits
    if service in {"encoder", "trainer"}:
        assert "BABELSCOPE_THREADS" in from_limits


PEERS = [("metrics", "encoder"), ("trainer", "datagen"), ("trainer", "metrics"), ("trainer", "encoder")]


@every_path
@pytest.mark.parametrize(("caller", "callee"), PEERS)
def test_a_service_may_reach_those_that_it_calls(path: str, caller: str, callee: str, rendered: Render) -> None:
    objects = rendered(path)
    host, port = settings(objects, caller)[f"BABELSCOPE_{callee}".upper()].removeprefix("dns:///").split(":")
    service = find(objects, "Service", callee)
    assert host == service["metadata"]["name"]
    assert int(port) == service["spec"]["ports"][0]["port"]
    egress = find(objects, "NetworkPolicy", caller)["spec"]["egress"]
    labels = find(objects, "Deployment", callee)["spec"]["template"]["metadata"]["labels"]
    assert any(
        peer["podSelector"]["matchLabels"].items() <= labels.items() for rule in egress for peer in rule.get("to", [])
    )
    ingress = find(objects, "NetworkPolicy", callee)["spec"]["ingress"][0]["from"]
    own = find(objects, "Deployment", caller)["spec"]["template"]["metadata"]["labels"]
    assert any(
        peer["podSelector"]["matchLabels"].items() <= own.items() for peer in ingress if "namespaceSelector" not in peer
    )


@every_path
@every_service
def test_another_namespace_must_be_let_in_and_its_pods_too(path: str, service: str, rendered: Render) -> None:
    """One entry with both selectors: a label on a namespace alone lets nobody in."""
    peers = find(rendered(path), "NetworkPolicy", service)["spec"]["ingress"][0]["from"]
    [foreign] = [peer for peer in peers if "namespaceSelector" in peer]
    assert foreign["namespaceSelector"] == {"matchLabels": {"babelscope-clients": "true"}}
    assert foreign["podSelector"] == {"matchLabels": {"babelscope-client": "true"}}


@every_path
def test_all_services_share_one_store(path: str, rendered: Render) -> None:
    """One claim that all mount where they look for it, or one secret with the URL of a bucket."""
    objects = rendered(path)
    claims = {item["metadata"]["name"] for item in objects if item["kind"] == "PersistentVolumeClaim"}
    remote = {on_s3(objects, service) for service in SERVICES}
    assert len(remote) == 1
    assert ("babelscope-store" in claims) != remote.pop()
    for service in SERVICES:
        if "babelscope-store" in claims:
            assert claim_at(objects, service, settings(objects, service)["BABELSCOPE_STORE_URL"]) == "babelscope-store"
        else:
            assert "/store" not in {mount["mountPath"] for mount in container(objects, service)["volumeMounts"]}


@every_path
@pytest.mark.parametrize("service", ["encoder", "datagen", "trainer"])
def test_the_cache_of_models_outlives_a_pod(path: str, service: str, rendered: Render, image: Any) -> None:
    for name in ("XDG_CACHE_HOME", "HF_HOME"):
        place = image(service).environment[name]
        assert claim_at(rendered(path), service, f"/{place.split('/')[1]}") == "babelscope-cache"


def claim_at(objects: Objects, service: str, place: str) -> str:
    """The claim that is mounted at a place."""
    [name] = [mount["name"] for mount in container(objects, service)["volumeMounts"] if mount["mountPath"] == place]
    [volume] = [volume for volume in pod(objects, service)["volumes"] if volume["name"] == name]
    claim: str = volume["persistentVolumeClaim"]["claimName"]
    return claim


@every_path
def test_what_jobs_keep_is_a_part_of_the_memory_that_the_pod_asks_for(path: str, rendered: Render) -> None:
    chosen = settings(rendered(path), "trainer")
    kept = int(chosen["BABELSCOPE_KEPT_BYTES"]) * int(chosen["BABELSCOPE_SLOTS"])
    asked = container(rendered(path), "trainer")["resources"]["requests"]["memory"]
    assert asked.endswith("Gi")
    assert 0 < kept <= int(asked.removesuffix("Gi")) << 28


@every_path
def test_the_job_table_is_no_configuration(path: str, rendered: Render) -> None:
    [found] = [item for item in container(rendered(path), "trainer")["env"] if item["name"] == "BABELSCOPE_DATABASE"]
    assert found["valueFrom"] == {"secretKeyRef": {"name": "babelscope-database", "key": "url"}}
    assert "BABELSCOPE_DATABASE" not in settings(rendered(path), "trainer")


def test_a_gpu_rollout_asks_for_no_second_gpu(rendered: Render) -> None:
    deployment = find(rendered("overlays/gpu"), "Deployment", "encoder")["spec"]
    assert deployment["strategy"]["rollingUpdate"] == {"maxSurge": 0, "maxUnavailable": 1}
    assert container(rendered("overlays/gpu"), "encoder")["resources"]["limits"]["nvidia.com/gpu"] == "1"
    assert settings(rendered("overlays/gpu"), "encoder")["BABELSCOPE_DEVICE"] == "cuda:0"
    assert "nvidia" not in str(rendered("base"))


def test_tls_is_mutual_and_the_token_is_no_configuration(rendered: Render) -> None:
    objects = rendered("overlays/tls")
    for service in SERVICES:
        values, box = settings(objects, service), container(objects, service)
        files = {value for name, value in values.items() if name.startswith("BABELSCOPE_TLS_")}
        assert files == {"/tls/tls.crt", "/tls/tls.key", "/tls/ca.crt"}
        assert any(mount == {"name": "tls", "mountPath": "/tls", "readOnly": True} for mount in box["volumeMounts"])
        token = next(item for item in box["env"] if item["name"] == "BABELSCOPE_TOKEN")
        assert token["valueFrom"] == {"secretKeyRef": {"name": "babelscope-token", "key": "token"}}
        assert not [name for name in values if "TOKEN" in name]
    assert not [item for item in objects if item["kind"] == "Secret"]
    assert settings(objects, "metrics")["BABELSCOPE_ENCODER_TLS"] == "true"
    assert settings(objects, "trainer")["BABELSCOPE_PEER_TLS"] == "true"


@every_path
@every_service
def test_images_are_pinned(path: str, service: str, rendered: Render) -> None:
    name, tag = container(rendered(path), service)["image"].split(":")
    assert name == f"babelscope-{service}"
    assert re.match(r"\d+\.\d+\.\d+", tag)


@every_service
def test_the_manifest_runs_what_the_image_runs(service: str, rendered: Render, image: Any) -> None:
    assert container(rendered("base"), service)["command"] == image(service).command
    [user] = image(service).last("USER")
    assert str(pod(rendered("base"), service)["securityContext"]["runAsUser"]) == user.split(":")[0]
