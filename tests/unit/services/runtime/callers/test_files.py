"""Callers in files and folders."""

import json
from pathlib import Path

import pytest

from services.runtime.callers.accounts import Limits
from services.runtime.callers.files import Caller, CallersError, read_callers, stamp

TOML = """
[ada]
token = ["old-secret", "new-secret"]
streams = 8
tokens_per_minute = 2_000_000
bytes_per_minute = 500_000_000

[bob]
token = "bob-secret"
"""
ADA = Caller("ada", ("old-secret", "new-secret"), Limits(8, 2_000_000, 500_000_000))
BOB = Caller("bob", ("bob-secret",), Limits())


def test_a_file_in_toml_or_json(tmp_path: Path) -> None:
    toml, other = tmp_path / "callers.toml", tmp_path / "callers.json"
    toml.write_text(TOML)
    other.write_text(
        json.dumps(
            {
                "bob": {"token": "bob-secret"},
                "ada": {
                    "token": ["old-secret", "new-secret"],
                    "streams": 8,
                    "tokens_per_minute": 2_000_000,
                    "bytes_per_minute": 500_000_000,
                },
            }
        )
    )
    assert read_callers(toml) == read_callers(other) == (ADA, BOB)


def test_a_folder_as_kubernetes_mounts_a_secret(tmp_path: Path) -> None:
    version = tmp_path / "..2026_11_28"
    version.mkdir()
    (version / "bob").write_text("bob-secret\n")
    (version / "ada.toml").write_text(TOML.split("[bob]", maxsplit=1)[0].replace("[ada]", ""))
    (tmp_path / "..data").symlink_to(version.name)
    for name in ("bob", "ada.toml"):
        (tmp_path / name).symlink_to(f"..data/{name}")
    assert read_callers(tmp_path) == (ADA, BOB)
    before = stamp(tmp_path)
    other = tmp_path / "..2026_11_29"
    other.mkdir()
    for name in ("bob", "ada.toml"):
        (other / name).write_bytes((version / name).read_bytes())
    (tmp_path / "..data").unlink()
    (tmp_path / "..data").symlink_to(other.name)
    assert stamp(tmp_path) != before


@pytest.mark.parametrize(
    ("name", "text", "problem"),
    [
        ("c.toml", "[ada]\ntoken = 'secret", "Expected c.toml to be TOML"),
        ("c.json", '{"ada": {"token": "secret"', "Expected c.json to be JSON"),
        ("c.json", '["secret"]', "Expected a table in c.json, but got list"),
        ("c.toml", "ada = 'secret'", "Expected a table for each caller, with its token, but got str"),
        ("c.json", '{"secret": "ada"}', "Expected a table for each caller, with its token, but got str"),
        ("c.toml", "[ada]", "caller ada: token: Field required"),
        ("c.toml", "[ada]\ntoken = 'secret'\nstream = 1", "caller ada: stream: Extra inputs"),
        ("c.toml", "[ada]\ntoken = 'secret'\nstreams = 0", "caller ada: streams: Input should be greater"),
        ("c.toml", "[ada]\ntoken = 'secret'\nstreams = '1'", "caller ada: streams: Input should be a valid integer"),
        ("c.toml", "[ada]\ntoken = []", "caller ada: Expected at least one token"),
        ("c.toml", "[ada]\ntoken = ''", "caller ada: Expected a token of printable ASCII"),
        ("c.toml", "[ada]\ntoken = 'secret words'", "caller ada: Expected a token of printable ASCII"),
        ("c.toml", "['a da']\ntoken = 'secret'", "Expected a caller's name of letters"),
        ("c.toml", "[anonymous]\ntoken = 'secret'", "Expected a caller's name of letters"),
        ("c.toml", "[ada]\ntoken = 'secret'\n[bob]\ntoken = 'secret'", "tokens of their own for ada and bob"),
    ],
)
def test_what_is_wrong_is_named_and_no_token_is_shown(tmp_path: Path, name: str, text: str, problem: str) -> None:
    path = tmp_path / name
    path.write_text(text)
    with pytest.raises(CallersError) as caught:
        read_callers(path)
    assert problem in str(caught.value)
    assert "secret" not in str(caught.value)


def test_what_is_no_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CallersError, match="Expected a readable file or folder"):
        read_callers(tmp_path / "nowhere")
    (tmp_path / "c.toml").write_bytes(b"\xff")
    with pytest.raises(CallersError, match="UTF-8"):
        read_callers(tmp_path / "c.toml")
    (tmp_path / "two").mkdir()
    for path in ("ada", "ada.json"):
        (tmp_path / "two" / path).write_text('{"token": "secret"}')
    with pytest.raises(CallersError, match="Expected one file for caller ada"):
        read_callers(tmp_path / "two")
