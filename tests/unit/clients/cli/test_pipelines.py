"""Files of pipelines that are no ordinary YAML."""

from pathlib import Path

import pytest
from babelscope.cli import generate
from babelscope.errors import StudyError

BOMB = "- {x: [&a0 [x, x]" + "".join(f", &a{place} [*a{place - 1}, *a{place - 1}]" for place in range(1, 60)) + "]}\n"


@pytest.mark.timeout(60)
@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (BOMB, "those that aliases repeat"),
        ("- name: split\n  x: &a [*a]\n", "those that aliases repeat"),
        ("- {name: split, dev: 0.1, dev: 0.2}\n", "the key 'dev' is there twice"),
        ("- {name: split, dev: 0x" + "f" * 5000 + "}\n", "a number has 5002 characters"),
        ("- {name: split, dev: 2001-13-99}\n", "Expected YAML"),
    ],
)
def test_a_pipeline_is_read_as_a_study_is(text: str, problem: str, tmp_path: Path) -> None:
    path = tmp_path / "steps.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(StudyError, match=problem):
        generate._steps(path, [])
