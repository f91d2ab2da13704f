"""Whatever is written into a setting of any service: it is taken as documented, or told with its variable, exit 2."""

import json
from pathlib import Path

import pytest

from services.datagen.settings import DatagenSettings
from services.encoder.settings import EncoderSettings
from services.metrics.settings import MetricsSettings
from services.runtime.server import _options
from services.runtime.settings import EXIT_USAGE, ServerSettings, load
from services.trainer.settings import TrainerSettings

FORMS = (
    "inf",
    "nan",
    "1e308",
    "-1",
    "9" * 20,
    "2147483648",
    "",
    " ",
    "[",
    "{",
    "[" * 5000,
    "true",
    "null",
    "a\nb",
    "１",
)
KINDS = (EncoderSettings, MetricsSettings, DatagenSettings, TrainerSettings)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("kind", KINDS)
def test_every_setting_takes_any_text_or_refuses_it(
    form: str, kind: type[ServerSettings], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    variables = {f"BABELSCOPE_{field.upper()}" for field in kind.model_fields}
    for variable in variables:
        monkeypatch.setenv(variable, form)
    with pytest.raises(SystemExit) as caught:
        load(kind)
    assert caught.value.code == EXIT_USAGE
    # A line of its own for each that is refused, however many; what is left over is taken.
    refused = {line.split(":")[0].split(".")[0] for line in capsys.readouterr().err.splitlines()} & variables
    assert refused
    for variable in refused:
        monkeypatch.delenv(variable)
    for variable in ("TLS_CERTIFICATE", "TLS_KEY", "TLS_CLIENT_CA"):  # wrong together, not by themselves
        monkeypatch.delenv(f"BABELSCOPE_{variable}", raising=False)
    numbers = [value for _, value in _options(load(kind))]
    assert all(-(2**31) <= value < 2**31 for value in numbers)


@pytest.mark.parametrize("kind", [EncoderSettings, TrainerSettings])
def test_aliases_are_an_object_in_json(
    kind: type[EncoderSettings] | type[TrainerSettings],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("BABELSCOPE_MODEL_ALIASES", json.dumps({"mine": "/models/mine"}))
    assert load(kind).model_aliases == {"mine": Path("/models/mine")}
    monkeypatch.setenv("BABELSCOPE_MODEL_ALIASES", "mine=/models/mine")
    with pytest.raises(SystemExit):
        load(kind)
    assert (
        "BABELSCOPE_MODEL_ALIASES: Expected an object in JSON, but got 'mine=/models/mine'" in capsys.readouterr().err
    )
