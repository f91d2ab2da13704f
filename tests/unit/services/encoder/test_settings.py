import json
from pathlib import Path

import pytest
from pydantic import ValidationError

from services.encoder.settings import GPU_BUDGET, THREAD_BUDGET, EncoderSettings


def test_lists_are_read_from_json_or_separated(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BABELSCOPE_MODEL_ROOTS", "/a:/b c")
    monkeypatch.setenv("BABELSCOPE_PRELOAD", "one, two,")
    monkeypatch.setenv("BABELSCOPE_MODEL_ALIASES", json.dumps({"x": "/m/x"}))
    settings = EncoderSettings()
    assert settings.model_roots == (Path("/a"), Path("/b c"))
    assert settings.preload == ("one", "two")
    assert settings.model_aliases == {"x": Path("/m/x")}
    monkeypatch.setenv("BABELSCOPE_MODEL_ROOTS", '["/a", "/b"]')
    monkeypatch.setenv("BABELSCOPE_PRELOAD", '["one"]')
    assert EncoderSettings().model_roots == (Path("/a"), Path("/b"))
    assert EncoderSettings().preload == ("one",)


def test_the_defaults_serve_on_loopback() -> None:
    settings = EncoderSettings()
    assert (settings.host, settings.port, settings.token_budget) == ("127.0.0.1", 50051, None)


@pytest.mark.parametrize(
    ("field", "value"),
    [("device", "tpu"), ("max_models", 0), ("token_budget", 1), ("queue_seconds", 0), ("max_texts", 0), ("threads", 0)],
)
def test_values_out_of_range_are_refused(field: str, value: object) -> None:
    with pytest.raises(ValidationError, match=field):
        EncoderSettings(**{field: value})


def test_a_broken_list_is_refused() -> None:
    with pytest.raises(ValidationError, match="model_roots"):
        EncoderSettings(model_roots="[/a")


@pytest.mark.parametrize(
    ("device", "longest", "budget"),
    [("cpu", 512, 3 * THREAD_BUDGET), ("cpu", 8192, 8192), ("cuda:0", 512, GPU_BUDGET), ("cuda:1", 65536, 65536)],
)
def test_the_budget_suits_the_device_and_the_model(device: str, longest: int, budget: int) -> None:
    assert EncoderSettings(threads=3).budget(longest, device) == budget


def test_a_budget_below_the_longest_input_is_refused() -> None:
    settings = EncoderSettings(token_budget=256)
    assert settings.budget(256, "cpu") == 256
    with pytest.raises(ValueError, match=r"`token_budget` \(BABELSCOPE_TOKEN_BUDGET\) of at least 512, .* got 256"):
        settings.budget(512, "cpu")


def test_a_queue_below_the_longest_input_is_refused() -> None:
    with pytest.raises(ValueError, match=r"Expected `queue_tokens` .* of at least 512"):
        EncoderSettings(queue_tokens=100).budget(512, "cpu")
    with pytest.raises(ValidationError, match="Expected `queue_tokens` of at least `token_budget`, 300, but got 200"):
        EncoderSettings(queue_tokens=200, token_budget=300)
