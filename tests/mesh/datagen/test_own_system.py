"""A team's own system behind the contract: the example of the documentation, run as it stands there."""

import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from babelscope import Answer, Example, Question, Step

ROOT = Path(__file__).resolve().parents[3]
ADDRESS = "127.0.0.1:6000"


@pytest.fixture
def own(tmp_path: Path, free_port: Callable[[], int]) -> Iterator[str]:
    """The documented server on a free port; its system writes words backwards."""
    page = (ROOT / "docs" / "translation.md").read_text(encoding="utf-8")
    [code] = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    address = f"127.0.0.1:{free_port()}"
    assert code.count(ADDRESS) == 1
    system = 'def my_system(text, source, target):\n    return " ".join(word[::-1] for word in text.split(" "))\n\n\n'
    (tmp_path / "own.py").write_text(system + code.replace(ADDRESS, address), encoding="utf-8")
    process = subprocess.Popen([sys.executable, tmp_path / "own.py"], env={"PYTHONPATH": str(ROOT / "clients")})
    try:
        with grpc.insecure_channel(address, [("grpc.initial_reconnect_backoff_ms", 100)]) as channel:
            grpc.channel_ready_future(channel).result(timeout=200)
        yield address
    finally:
        process.kill()
        process.wait()


@pytest.mark.slow
async def test_the_documented_server_translates_a_pipeline(serve: Callable[..., Any], own: str) -> None:
    one = await serve(translation_servers=(own,))
    texts = [Example(f"s{number}", f"cat {number} sat", "en") for number in range(600)]
    question = Example("q", Question("the cat sat", "who", (Answer("cat sat", 4),)), "en")
    options = {"target": "xx", "backend": "remote", "address": own}
    steps = [Step("translate", options), Step("recover_answers", {})]
    *done, asked = [example async for example in one.client.transform([*texts, question], steps)]
    assert [(each.id, each.language) for each in done] == [(each.id, "xx") for each in texts]
    assert [each.content for each in done] == [f"tac {str(number)[::-1]} tas" for number in range(600)]
    assert asked.content == Question("eht tac tas", "ohw", (Answer("tac tas", 4),))
    assert asked.attributes["translated_by"] == f"remote:{own}"
