"""The settings of every server."""

from pathlib import Path

import pytest
from babelscope.errors import StoreError
from babelscope.store.places import RemotePlace
from pydantic import ValidationError

from services.runtime.settings import EXIT_USAGE, ServerSettings, load


def test_every_field_is_described_and_has_a_default() -> None:
    for name, field in ServerSettings.model_fields.items():
        assert field.description, name
        assert field.description.endswith("."), name
        assert not field.is_required(), name


def test_settings_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BABELSCOPE_PORT", "50051")
    monkeypatch.setenv("BABELSCOPE_TOKEN", "secret")
    monkeypatch.setenv("BABELSCOPE_STORE_URL", "s3://bucket/prefix")
    settings = load(ServerSettings)
    assert settings.port == 50051
    assert settings.token is not None
    assert settings.token.get_secret_value() == "secret"
    assert "secret" not in repr(settings)
    assert settings.store_url == "s3://bucket/prefix"


@pytest.mark.parametrize("url", ["s3://key:hunter2@bucket/prefix", "s3://bucket/prefix?secret=hunter2"])
def test_no_store_has_credentials_in_its_address(
    url: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("BABELSCOPE_STORE_URL", url)
    with pytest.raises(SystemExit) as caught:
        load(ServerSettings)
    assert caught.value.code == EXIT_USAGE
    said = capsys.readouterr().err
    assert said.startswith("BABELSCOPE_STORE_URL: Expected `s3://bucket/prefix` without credentials")
    assert "hunter2" not in said
    with pytest.raises(StoreError, match="without credentials") as refused:
        RemotePlace(url)
    assert "hunter2" not in str(refused.value)


def test_the_store_is_in_the_users_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert ServerSettings().store_url == str(tmp_path / "babelscope" / "store")
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert ServerSettings().store_url == str(tmp_path / ".cache" / "babelscope" / "store")


def test_wrong_settings_name_their_variable(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("BABELSCOPE_PORT", "http")
    monkeypatch.setenv("BABELSCOPE_MAX_STREAMS", "0")
    with pytest.raises(SystemExit) as caught:
        load(ServerSettings)
    assert caught.value.code == EXIT_USAGE
    lines = capsys.readouterr().err.splitlines()
    assert [line.split(":")[0] for line in lines] == ["BABELSCOPE_PORT", "BABELSCOPE_MAX_STREAMS"]


@pytest.mark.parametrize("token", ["", "two words", "naïve", "line\n"])
def test_a_token_that_cannot_travel_is_refused(token: str) -> None:
    with pytest.raises(ValidationError, match="printable ASCII"):
        ServerSettings(token=token)


@pytest.mark.parametrize(
    "half",
    [
        {"tls_certificate": "a"},
        {"tls_key": "a"},
        {"tls_client_ca": "a"},
        {"health_port": 50061},
    ],
)
def test_half_a_tls_configuration_is_refused(half: dict[str, object]) -> None:
    with pytest.raises(ValidationError, match="Expected `"):
        ServerSettings(**half)


def test_a_misspelt_field_is_refused() -> None:
    with pytest.raises(ValidationError, match="prot"):
        ServerSettings(prot=1)  # type: ignore[call-arg]
