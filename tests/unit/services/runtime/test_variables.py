"""Every setting of every service in each of its documented forms, and names that nobody knows."""

import importlib
import json
import os
import re
from pathlib import Path
from typing import Any, get_origin

import pytest

import services
from services.runtime.settings import EXIT_USAGE, ServerSettings, load
from services.runtime.variables import ELSEWHERE, PREFIX, unknown

ROOT = Path(services.__file__).parent
MODULES = sorted(
    ".".join(("services", *path.relative_to(ROOT).with_suffix("").parts)) for path in ROOT.rglob("settings.py")
)


def _kinds() -> list[type[ServerSettings]]:
    found = {ServerSettings}
    for module in MODULES:
        for value in vars(importlib.import_module(module)).values():
            if isinstance(value, type) and issubclass(value, ServerSettings):
                found.add(value)
    return sorted(found, key=lambda kind: kind.__name__)


KINDS = _kinds()
CHOSEN = {
    "log_level": "DEBUG",
    "log_format": "text",
    "device": "cpu",
    "runner": "ray",
    "translation_device": "cuda:1",
    "token": "x",
    "otlp_endpoint": "http://collector:4317",
}
TOGETHER = {
    "tls_certificate": {"tls_key": "/k"},
    "tls_key": {"tls_certificate": "/c"},
    "tls_client_ca": {"tls_certificate": "/c", "tls_key": "/k"},
    "health_port": {"tls_certificate": "/c", "tls_key": "/k"},
    "queue_tokens": {"token_budget": "16"},
}


def _forms(name: str, field: Any, default: Any) -> list[tuple[str, Any]]:
    """Texts of a variable, with the value that each stands for."""
    text = str(field.annotation)
    if get_origin(field.annotation) is tuple:
        if "Path" in text:
            folders = (Path("/a"), Path("b c"))
            return [(os.pathsep.join(map(str, folders)), folders), ('["/a", "b c"]', folders), ("/a", (Path("/a"),)),
                    ("", ()), ("[]", ())]  # fmt: skip
        return [("a,b:1", ("a", "b:1")), (" a , b:1 ", ("a", "b:1")), ('["a", "b:1"]', ("a", "b:1")), ("a", ("a",)),
                ("", ())]  # fmt: skip
    if get_origin(field.annotation) is dict:
        return [('{"a": "/b"}', {"a": Path("/b")})]
    if name in CHOSEN:
        return [(CHOSEN[name], CHOSEN[name])]
    if isinstance(default, bool) or "bool" in text:
        return [("true", True), ("false", False), ("1", True), ("0", False)]
    if "Path" in text:
        return [("/some/where", Path("/some/where"))]
    if "int" in text:
        number = 50_000 if default is None else default + 1
        return [(str(number), number)]
    if "float" in text:
        return [("2.5", 2.5), ("7", 7.0)]
    return [("words", "words")]


CASES = [
    pytest.param(kind, name, text, value, id=f"{kind.__name__}-{name}-{text or 'empty'}")
    for kind in KINDS
    for name, field in kind.model_fields.items()
    if kind is ServerSettings or name not in ServerSettings.model_fields or name == "port"
    for text, value in _forms(name, field, field.get_default(call_default_factory=True))
]


@pytest.fixture(autouse=True)
def bare(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in os.environ:
        if name.upper().startswith(PREFIX):
            monkeypatch.delenv(name)


@pytest.mark.parametrize(("kind", "name", "text", "value"), CASES)
def test_every_setting_in_every_form(
    kind: type[ServerSettings], name: str, text: str, value: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    for other, given in {**TOGETHER.get(name, {}), name: text}.items():
        monkeypatch.setenv(f"{PREFIX}{other.upper()}", given)
    found = getattr(load(kind), name)
    secret = getattr(found, "get_secret_value", None)
    assert (secret() if secret else found) == value


def test_services_were_found() -> None:
    names = {kind.__name__ for kind in KINDS}
    assert {"EncoderSettings", "MetricsSettings", "DatagenSettings", "TrainerSettings"} <= names


@pytest.mark.parametrize("kind", KINDS)
def test_settings_of_other_services_are_known(kind: type[ServerSettings]) -> None:
    everything = {f"{PREFIX}{name.upper()}": "x" for each in KINDS for name in each.model_fields}
    assert unknown(everything, kind.model_fields) == {}


def test_no_name_is_listed_that_nobody_reads() -> None:
    read = {name.upper() for kind in KINDS for name in kind.model_fields}
    studies = "".join(path.read_text(encoding="utf-8") for path in (ROOT.parent / "studies").glob("*.yaml"))
    named = {*re.findall(rf"\$\{{{PREFIX}(\w+)", studies)}
    assert ELSEWHERE - read - named == {"CHROMIUM", "JOB_EVENTS", "MESH", "WHOLE"}


@pytest.mark.parametrize(
    ("variable", "nearest"),
    [("MAX_STREAM", "MAX_STREAMS"), ("MAXSTREAMS", "MAX_STREAMS"), ("PORTT", "PORT"), ("TLS_CERT", "TLS_CERTIFICATE"),
     ("MODEL_ROOT", "MODEL_ROOTS"), ("STORE", "STORE_URL")],
)  # fmt: skip
def test_a_misspelt_variable_ends_the_start_with_the_right_name(
    variable: str, nearest: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv(f"{PREFIX}{variable}", "1")
    with pytest.raises(SystemExit) as caught:
        load(ServerSettings)
    assert caught.value.code == EXIT_USAGE
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"{PREFIX}{variable}: Expected the name of a setting")
    assert f"did you mean {PREFIX}{nearest}?" in line


@pytest.mark.parametrize("kind", KINDS)
def test_every_setting_of_every_service_is_refused_where_it_is_misspelt(
    kind: type[ServerSettings], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    misspelt = {f"{PREFIX}{name.upper()}X": f"{PREFIX}{name.upper()}" for name in kind.model_fields}
    for variable in misspelt:
        monkeypatch.setenv(variable, "1")
    with pytest.raises(SystemExit) as caught:
        load(kind)
    assert caught.value.code == EXIT_USAGE
    lines = dict(line.split(": ", 1) for line in capsys.readouterr().err.splitlines())
    assert lines.keys() == misspelt.keys()
    assert all(lines[variable].endswith(f"did you mean {name}?") for variable, name in misspelt.items())


def test_what_kubernetes_sets_is_no_misspelt_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    links = {
        "BABELSCOPE_ENCODER_SERVICE_HOST": "10.0.0.1",
        "BABELSCOPE_ENCODER_SERVICE_PORT": "50051",
        "BABELSCOPE_ENCODER_SERVICE_PORT_GRPC": "50051",
        "BABELSCOPE_ENCODER_PORT": "tcp://10.0.0.1:50051",
        "BABELSCOPE_ENCODER_PORT_50051_TCP": "tcp://10.0.0.1:50051",
        "BABELSCOPE_ENCODER_PORT_50051_TCP_ADDR": "10.0.0.1",
    }
    assert unknown(links, ServerSettings.model_fields) == {}
    assert list(unknown({"BABELSCOPE_ENCODER_PORT": "50051"}, ServerSettings.model_fields)) == [
        "BABELSCOPE_ENCODER_PORT"
    ]


def test_a_list_that_is_no_json_names_its_variable(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    kind = next(kind for kind in KINDS if "translation_roots" in kind.model_fields)
    monkeypatch.setenv("BABELSCOPE_TRANSLATION_ROOTS", json.dumps(["/a"])[:-1])
    with pytest.raises(SystemExit) as caught:
        load(kind)
    assert caught.value.code == EXIT_USAGE
    assert capsys.readouterr().err.startswith("BABELSCOPE_TRANSLATION_ROOTS: ")
