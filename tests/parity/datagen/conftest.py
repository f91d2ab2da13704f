"""XQuAD in all its languages, read without the project's readers."""

from collections.abc import Callable
from pathlib import Path

import pytest
from babelscope.data.examples import Example

from tests.support.datagen_corpora import squad


@pytest.fixture(scope="session")
def xquad(shared_data: Callable[[str], Path]) -> dict[str, list[Example]]:
    """The questions by language."""
    shared_data("qa/xquad.en.json")
    files = sorted(shared_data("qa").glob("xquad.*.json"))
    return {file.name.split(".")[1]: squad(file, file.name.split(".")[1]) for file in files}
